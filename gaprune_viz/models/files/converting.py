"""Pickled weights as safetensors, converted in a process of its own that reads tensors and runs no code.

`python -m gaprune_viz.models.files.converting FOLDER OUT` is that process; `convert` starts it.
"""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from gaprune_viz.errors import GapruneError
from gaprune_viz.models.files.checkpoint_kinds import pickled
from gaprune_viz.storage.workspace import whole_folder

MARKER = "gaprune-converted.json"
# What a model needs beside its weights: settings, tokenizers, the card. No code, and no other weights.
_BESIDE = (".json", ".txt", ".model", ".md", ".jinja", ".vocab", ".bpe", ".safetensors")
SECONDS = 3_600


def convert(folder: Path, out: Path) -> list[str]:
    """Write a copy of a model folder whose pickled weights are safetensors.

    Args:
        out: a new folder; an earlier conversion there is replaced.

    Returns:
        the names of the weight files that were written.

    Raises:
        GapruneError: there is nothing to convert, or a file holds anything but tensors.
    """
    if not folder.is_dir():
        raise GapruneError(f"There is no model folder {folder}.", "Give the folder that holds pytorch_model.bin.")
    if not pickled(folder):
        raise GapruneError(
            f"The folder {folder.name} holds no pickled weights (pytorch_model.bin).", "There is nothing to convert."
        )
    if out.resolve().is_relative_to(folder.resolve()) or folder.resolve().is_relative_to(out.resolve()):
        raise GapruneError("The converted model cannot lie in the folder of the old one.", "Choose another folder.")
    with whole_folder(out, marker=MARKER) as place:
        command = [sys.executable, "-m", "gaprune_viz.models.files.converting", str(folder), str(place)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise GapruneError(
                f"The weights of {folder.name} were not converted within {SECONDS} s.", "Try again on a faster disk."
            ) from error
        answer = _answer(done.stdout)
        if "written" not in answer:
            said = answer.get("error") or f"the process that reads them ended with {done.returncode}"
            raise GapruneError(
                f"The weights of {folder.name} cannot be converted: {said}.",
                "Only files of plain tensors are read; nothing in them is run.",
            )
        written = [str(name) for name in answer["written"]]
        (place / MARKER).write_text(json.dumps({"from": folder.name, "written": written}) + "\n", encoding="utf-8")
    return written


def _answer(text: str) -> dict[str, Any]:
    lines = text.strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def convert_here(folder: Path, out: Path) -> list[str]:
    """Do it in this process.

    Raises:
        ValueError: a file holds something else than named tensors.
    """
    written, names = [], {}
    for path in pickled(folder):
        tensors = _tensors_in(path)
        if tensors is None:
            continue
        relative = path.relative_to(folder)
        stem = relative.name.removesuffix(path.suffix).replace("pytorch_model", "model")
        place = out / relative.with_name(f"{stem}.safetensors")
        names[relative.name] = place.name
        _save(tensors, place)
        written.append(place.relative_to(out).as_posix())
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if not path.is_file() or path.suffix not in _BESIDE or any(part.startswith(".") for part in relative.parts):
            continue
        place = out / relative
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.name.endswith(".bin.index.json"):
            _write_index(path, place, names)
        elif not place.exists():
            shutil.copyfile(path, place)
    if not written:
        raise ValueError("no file holds weights")
    return written


def _tensors_in(path: Path) -> dict[str, Any] | None:
    """The tensors of a file; None for what a trainer leaves beside them, such as its arguments."""
    import torch

    found = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict) or not found:
        raise ValueError(f"{path.name} holds no named tensors")
    if not all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in found.items()):
        raise ValueError(f"{path.name} holds something else than named tensors")
    return found


def _save(tensors: dict[str, Any], place: Path) -> None:
    from safetensors.torch import save_file

    place.parent.mkdir(parents=True, exist_ok=True)
    # Tied weights are one tensor under two names, which safetensors does not write.
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, place, {"format": "pt"})


def _write_index(path: Path, place: Path, names: dict[str, str]) -> None:
    """The index of weights in several files, under their new names."""
    index = json.loads(path.read_text(encoding="utf-8"))
    index["weight_map"] = {name: names[file] for name, file in index["weight_map"].items()}
    renamed = place.with_name(place.name.replace("pytorch_model.bin", "model.safetensors"))
    renamed.write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """The process of its own: prints one line of JSON, what was written or why nothing was."""
    try:
        answer: dict[str, Any] = {"written": convert_here(Path(sys.argv[1]), Path(sys.argv[2]))}
    except (OSError, ValueError, KeyError, RuntimeError, EOFError, MemoryError, pickle.UnpicklingError) as error:
        line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        answer = {"error": line[:200].rstrip(".")}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
