"""An export whose zeros take no room: for each pruned weight a bit says whether it is there, and values follow.

`NAME.safetensors` becomes `NAME.packed.safetensors`. Of a tensor that has zeros it holds

    TENSOR:shape   int64
    TENSOR:bits    uint8, eight numbers a byte, the first one highest, in the order of the flat tensor; 1 = not zero
    TENSOR:values  those that are not zero, in that order; of truth values nothing: the bits are all

and every other tensor as it was. Nothing is rounded. A float32 tensor with the share s of zeros takes 1 - s + 1/32 of
its room. (`compressed-tensors` has a layout like this; a folder in it loads only where that package is installed.)
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gaprune_viz.errors import GapruneError
from gaprune_viz.pruning.model_folder import MASK_FILE, RESULT_FILE
from gaprune_viz.storage.workspace import whole_folder

PACKED = ".packed.safetensors"
PARTS = ("shape", "bits", "values")
LOADER = """import math, pathlib
import numpy as np, torch
from safetensors.torch import load_file, save_file

for file in pathlib.Path("path/to/this/folder").rglob("*.packed.safetensors"):
    packed = load_file(file)
    whole = {name: tensor for name, tensor in packed.items() if ":" not in name}
    for name in [key[:-6] for key in packed if key.endswith(":shape")]:
        shape, bits = packed[f"{name}:shape"].tolist(), packed[f"{name}:bits"].numpy()
        there = torch.from_numpy(np.unpackbits(bits, count=math.prod(shape))).bool().view(shape)
        values = packed.get(f"{name}:values")
        whole[name] = there if values is None else torch.zeros(shape, dtype=values.dtype).masked_scatter_(there, values)
    save_file(whole, str(file).replace(".packed", ""), metadata={"format": "pt"})
"""
SECTION = f"""
## Packed

The zeros take no room here: bits say where they are. This makes a plain folder of it, to the last bit:

```python
{LOADER}```

Or `gaprune-viz unpack path/to/this/folder OUT`.
"""


def pack(folder: Path) -> int:
    """Pack the tensors of a folder in place. Returns the bytes of all its tensor files after.

    Raises:
        OSError: a file cannot be read or written.
    """
    for file in sorted(folder.rglob("*.safetensors")):
        _pack_file(file)
    card = folder / "README.md"
    if card.is_file():
        card.write_text(card.read_text(encoding="utf-8") + SECTION, encoding="utf-8")
    return sum(file.stat().st_size for file in folder.rglob("*.safetensors"))


def unpack(folder: Path, out: Path) -> int:
    """Write a plain folder from a packed one.

    Returns:
        bytes of its tensor files.

    Raises:
        GapruneError: the folder is not packed, or is damaged.
    """
    if not any(folder.rglob(f"*{PACKED}")):
        raise GapruneError(
            f"{folder} holds nothing that is packed.", "Give what `gaprune-viz prune RUN --packed --out DIR` wrote."
        )
    if out.resolve() == folder.resolve():
        raise GapruneError(f"{out} is the packed model itself.", "Choose another folder.")
    with whole_folder(out, marker=RESULT_FILE) as place:
        shutil.copytree(folder, place, dirs_exist_ok=True)
        for file in sorted(place.rglob(f"*{PACKED}")):
            _unpack_file(file)
        card = place / "README.md"
        if card.is_file():
            card.write_text(card.read_text(encoding="utf-8").replace(SECTION, ""), encoding="utf-8")
        return sum(file.stat().st_size for file in place.rglob("*.safetensors"))


def packed_file_bytes(folder: Path) -> int:
    """Bytes that the weights of a folder would take packed, without the heads of the files; the mask is not counted."""
    from safetensors import safe_open

    size = 0
    for file in folder.rglob("*.safetensors"):
        if file.name != MASK_FILE:
            with safe_open(str(file), framework="pt") as opened:
                for name in opened.keys():  # noqa: SIM118
                    size += sum(t.numel() * t.element_size() for t in _parts(opened.get_tensor(name)).values())
    return size


def _pack_file(file: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    packed: dict[str, Tensor] = {}
    with safe_open(str(file), framework="pt") as opened:
        metadata = opened.metadata()
        for name in opened.keys():  # noqa: SIM118
            for part, tensor in _parts(opened.get_tensor(name)).items():
                packed[f"{name}:{part}" if part else name] = tensor
    if len(packed) > len({key.rsplit(":", 1)[0] for key in packed}):
        save_file(packed, file.with_name(file.name.removesuffix(".safetensors") + PACKED), metadata=metadata)
        file.unlink()


def _parts(tensor: Tensor) -> dict[str, Tensor]:
    """What is kept of a tensor, by part; under the empty name the tensor itself, where packing saves nothing."""
    there = tensor != 0
    bits = -(-tensor.numel() // 8)
    kept = 0 if tensor.dtype == torch.bool else int(there.sum())
    if tensor.dim() < 2 or bits + kept * tensor.element_size() >= tensor.numel() * tensor.element_size():
        return {"": tensor}
    parts = {
        "shape": torch.tensor(tensor.shape, dtype=torch.int64),
        "bits": torch.from_numpy(np.packbits(there.flatten().numpy())),
    }
    return parts if tensor.dtype == torch.bool else {**parts, "values": tensor[there].contiguous()}


def _unpack_file(file: Path) -> None:
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file, save_file

    try:
        with safe_open(str(file), framework="pt") as opened:
            metadata = opened.metadata()
        packed = load_file(file)
        whole = {name: tensor for name, tensor in packed.items() if name.rpartition(":")[2] not in PARTS}
        for name in [key.removesuffix(":shape") for key in packed if key.endswith(":shape")]:
            whole[name] = _whole(packed, name)
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise GapruneError(f"{file.name} cannot be unpacked: {error}.", "Prune the model again.") from error
    save_file(whole, file.with_name(file.name.removesuffix(PACKED) + ".safetensors"), metadata=metadata)
    file.unlink()


def _whole(packed: dict[str, Tensor], name: str) -> Tensor:
    shape = packed[f"{name}:shape"].tolist()
    there = torch.from_numpy(np.unpackbits(packed[f"{name}:bits"].numpy(), count=math.prod(shape))).bool().view(shape)
    values = packed.get(f"{name}:values")
    if values is None:
        return there
    if len(values) != int(there.sum()):
        raise ValueError(f"{name} has {len(values)} values and {int(there.sum())} places")
    return torch.zeros(shape, dtype=values.dtype).masked_scatter_(there, values)
