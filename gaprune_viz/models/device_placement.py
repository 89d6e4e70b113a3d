"""On which device, or over which devices, a model is put."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gaprune_viz.errors import GapruneError

SPREAD = "spread"
# Beside each weight on its device: the squared gradient and the gradient, float32.
SUM_BYTES = 8


@dataclass(frozen=True)
class Placement:
    """Arguments for loading.

    Attributes:
        device: one device for all; None where a map decides.
        device_map: what transformers takes under that name.
    """

    device: str | None
    device_map: str | None = None

    @property
    def model_kwargs(self) -> dict[str, Any]:
        return {} if self.device_map is None else {"device_map": self.device_map}


def place(name: str, source: Path | str, dtype: torch.dtype) -> Placement:
    """Where a model goes.

    Args:
        name: `cpu`, `mps`, `cuda`, `cuda:1`; `spread` over all GPUs; `auto`: the GPU a launcher gave this process,
            else the first one, else all of them where one does not hold the model and its statistics, else Apple's,
            else the processor.
        source: folder or Hub id, whose size is looked up where it matters.

    Raises:
        GapruneError: the device is not there.
    """
    if name == SPREAD:
        return Placement(None, "auto")
    if name != "auto":
        _require(name)
        return Placement(name)
    given = own_device()
    if given is not None:
        return Placement(str(given))
    if torch.cuda.is_available():
        several = torch.cuda.device_count() > 1
        if several and needed_bytes(source, dtype) > torch.cuda.mem_get_info(0)[0]:
            return Placement(None, "auto")
        return Placement("cuda")
    return Placement("mps" if torch.backends.mps.is_available() else "cpu")


def _require(name: str) -> None:
    available = {"cpu": True, "mps": torch.backends.mps.is_available()}
    if not available.get(name.split(":")[0], torch.cuda.is_available()):
        raise GapruneError(f"The device {name} is not available here.", "Use `auto` or `cpu`.")


def needed_bytes(source: Path | str, dtype: torch.dtype) -> int:
    """Bytes of a model's parameters and of the statistics beside them, from the headers of its files."""
    parameters = _parameters_in(source) if isinstance(source, Path) else _parameters_on_hub(source)
    return parameters * (dtype.itemsize + SUM_BYTES)


def _parameters_in(folder: Path) -> int:
    from safetensors import safe_open

    count = 0
    for path in folder.rglob("*.safetensors"):
        with safe_open(str(path), framework="pt") as file:
            count += sum(torch.Size(file.get_slice(name).get_shape()).numel() for name in file.keys())  # noqa: SIM118
    return count


def _parameters_on_hub(model: str) -> int:
    """0 where the Hub does not say: then one device is tried."""
    from huggingface_hub import get_safetensors_metadata
    from huggingface_hub.errors import HfHubHTTPError, NotASafetensorsRepoError, OfflineModeIsEnabled

    try:
        return sum(get_safetensors_metadata(model).parameter_count.values())
    except (HfHubHTTPError, NotASafetensorsRepoError, OfflineModeIsEnabled, OSError):
        return 0


def refuse_offloaded(model: torch.nn.Module, label: str) -> None:
    """Refuse a model of which a part found no place on a device: its weights cannot be read or calibrated.

    Raises:
        GapruneError: naming how much is missing.
    """
    absent = [name for name, p in model.named_parameters() if p.device.type == "meta"]
    if absent:
        raise GapruneError(
            f"{label} does not fit the devices here: {len(absent)} of its weights found no place, {absent[0]} first.",
            "Load it as bfloat16 (--dtype bfloat16), or on the processor (--device cpu).",
        )


def own_device() -> torch.device | None:
    """The device that a launcher gave this process; None where none did."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return None
    return process_state().device


def process_state() -> Any:
    """Accelerate's state of this process among those that a launcher started; the first call joins the others.

    Left to itself, accelerate takes processes without a card for strangers: each would do the whole work.
    """
    from accelerate import PartialState

    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return PartialState(cpu=accelerator is None or accelerator.type == "mps")
