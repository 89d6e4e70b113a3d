"""Anything at all, in the files that we wrote ourselves once: what is whole, or one clear line, in five seconds."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import pytest
from hypothesis import strategies as st

from gaprune_viz.analysis.catalogue import kept_runs
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import ModelSpec, Settings
from gaprune_viz.evaluation.comparison import load_pair
from gaprune_viz.experiments.cells import SWEEP_FORMAT, CellStore, study_cells
from gaprune_viz.experiments.saved_presets import save_preset, saved_presets
from gaprune_viz.experiments.transfer.document import open_transfer
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.sources import parameter_count
from gaprune_viz.storage.paths import assets
from tests.odd import FUZZ, TEXTS, altered, asked, given, json_bytes, mutated


def replaced(place: Path, content: bytes) -> None:
    """Write a new file at a place: an old one may still be mapped into memory."""
    place.unlink(missing_ok=True)
    place.write_bytes(content)


def test_saved_presets_of_any_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPRUNE_VIZ_WORKSPACE", str(tmp_path))
    save_preset("mine", Settings(), "A sentence.")
    document = json.loads((tmp_path / "presets.json").read_text())

    @FUZZ
    @given(altered(document))
    def read(content: bytes) -> None:
        (tmp_path / "presets.json").write_bytes(content)
        asked(saved_presets)

    read()


def test_cells_of_any_content(tmp_path: Path) -> None:
    store = study_cells(tmp_path)
    other = CellStore(store.folder, SWEEP_FORMAT)
    document = store.write("cell", {"value": 0.5, "parts": {"a": [1, 2]}})
    place = tmp_path / "cells" / "cell.json"

    @FUZZ
    @given(altered(document))
    def read(content: bytes) -> None:
        place.write_bytes(content)
        for found in (store.read("cell"), other.read("cell", "value")):
            assert found is None or isinstance(found, dict)

    read()


def test_a_transfer_map_of_any_content(tmp_path: Path) -> None:
    place = tmp_path / "transfer.json"
    document = json.loads((assets() / "transfer" / "starters.json").read_text(encoding="utf-8"))
    first = document["maps"][0]
    document["maps"] = [m for m in document["maps"] if (m["row"], m["sparsity"]) == (first["row"], first["sparsity"])]

    @FUZZ
    @given(altered(document))
    def read(content: bytes) -> None:
        place.write_bytes(content)
        asked(lambda: open_transfer(place))

    read()


def test_the_description_of_an_analysis_of_any_content(unsealed: Path) -> None:
    document = json.loads((unsealed / "spec.json").read_text())

    @FUZZ
    @given(altered(document))
    def read(content: bytes) -> None:
        (unsealed / "spec.json").write_bytes(content)
        asked(lambda: Statistics.open(unsealed))
        assert len(kept_runs(unsealed.parent)) <= 1

    read()


def test_the_label_of_an_analysis_of_any_content(unsealed: Path) -> None:
    @FUZZ
    @given(altered({"name": "mine", "note": "A note."}))
    def read(content: bytes) -> None:
        (unsealed / "label.json").write_bytes(content)
        assert len(kept_runs(unsealed.parent)) == 1

    read()


WIDTHS = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "U16": 2, "I8": 1, "BOOL": 1}


@st.composite
def rewritten(draw: st.DrawFn, whole: bytes) -> bytes:
    """A safetensors file that is whole, its tensors of another kind, shape or name, exchanged or left out."""
    (size,) = struct.unpack("<Q", whole[:8])
    header, data = json.loads(whole[8 : 8 + size]), whole[8 + size :]
    parts = {
        name: (e["dtype"], e["shape"], data[slice(*e["data_offsets"])]) for name, e in header.items() if "dtype" in e
    }
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(parts)))
        kind, shape, content = parts[name]
        way = draw(st.sampled_from(["kind", "shape", "name", "other", "numbers", "drop"]))
        if way == "kind":
            kind = draw(st.sampled_from(sorted(WIDTHS)))
            shape = [len(content) // WIDTHS[kind]]
            content = content[: shape[0] * WIDTHS[kind]]
        elif way == "shape":
            shape = draw(st.sampled_from([shape[::-1], [len(content) // WIDTHS[kind]], [1, *shape], [*shape, 1, 1]]))
        elif way == "other":
            kind, shape, content = parts[draw(st.sampled_from(sorted(parts)))]
        elif way == "numbers":
            number = draw(st.sampled_from([b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\xff\xff\x7f\x7f", b"\0\0\0\0"]))
            content = number * (len(content) // 4) + content[len(content) // 4 * 4 :]
        else:
            del parts[name]
            name = draw(st.one_of(TEXTS.filter(lambda text: "\ud800" not in text), st.just(f"bert.{name}")))
            if way == "drop":
                continue
        parts[name] = (kind, shape, content)
    entries, at = {}, 0
    for name, (kind, shape, content) in parts.items():
        entries[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at := at + len(content)]}
    text = json_bytes(entries)
    return struct.pack("<Q", len(text)) + text + b"".join(content for _, _, content in parts.values())


@st.composite
def tensors(draw: st.DrawFn, whole: bytes) -> bytes:
    """A safetensors file with a header that lies, or with other tensors."""
    (size,) = struct.unpack("<Q", whole[:8])
    if draw(st.booleans()):
        return draw(rewritten(whole))
    if draw(st.booleans()):
        return draw(mutated(st.just(whole[: 8 + size]))) + whole[8 + size :]
    header = json.loads(whole[8 : 8 + size])
    content = draw(altered(header))
    length = draw(st.one_of(st.just(len(content)), st.integers(0, 2**64 - 1)))
    return struct.pack("<Q", length) + content + whole[8 + size :]


def test_statistics_of_any_header(unsealed: Path) -> None:
    place = unsealed / "statistics.safetensors"
    whole = place.read_bytes()
    name = Statistics.open(unsealed).names[0]

    @FUZZ
    @given(tensors(whole))
    def read(content: bytes) -> None:
        replaced(place, content)
        asked(lambda: Statistics.open(unsealed).tensor(name, "fisher_domain"))

    read()


def test_weights_of_any_header(tiny_bert: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "model"))
    whole = (folder / "model.safetensors").read_bytes()
    spec = ModelSpec(model=str(folder), device="cpu")

    @FUZZ
    @given(tensors(whole))
    def count(content: bytes) -> None:
        replaced(folder / "model.safetensors", content)
        asked(lambda: parameter_count(spec))

    @FUZZ
    @given(tensors(whole))
    def load(content: bytes) -> None:
        replaced(folder / "model.safetensors", content)
        asked(lambda: load_model(spec).encode(["salt in water"], "query"))

    count()
    load()


def test_modules_of_any_content(tiny_bert: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "model"))
    kind = "sentence_transformers.models.Transformer"

    @FUZZ
    @given(altered([{"idx": 0, "name": "0", "path": "", "type": kind}]))
    def load(content: bytes) -> None:
        (folder / "modules.json").write_bytes(content)
        asked(lambda: load_model(ModelSpec(model=str(folder), device="cpu")))

    load()


def test_a_pruned_model_of_any_description(tiny_bert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "mask.safetensors").write_bytes(b"")
    document = {"run": {"model": {"model": str(tiny_bert)}}, "dense": {"weight_hash": "0"}}

    @FUZZ
    @given(altered(document))
    def load(content: bytes) -> None:
        (folder / "gaprune.json").write_bytes(content)
        asked(lambda: load_pair(folder))

    load()
