"""Anything at all, in the files that we wrote ourselves once: what is whole, or one clear line, in five seconds."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from gaprune_viz.config import ModelSpec, Settings
from gaprune_viz.core.loading import load_model, parameter_count
from gaprune_viz.core.statistics import Statistics
from gaprune_viz.errors import GapruneError
from gaprune_viz.history import kept_runs
from gaprune_viz.pipeline import open_analysis
from gaprune_viz.results import load_pair
from gaprune_viz.saved import save_preset, saved_presets
from gaprune_viz.study.store import CellStore
from gaprune_viz.sweep.cells import read_document
from tests.odd import FUZZ, VALUES, given, json_bytes, mutated, plain

NESTED = st.integers(0, 60_000).map(lambda depth: b'{"format":' * depth)


@st.composite
def altered(draw: st.DrawFn, document: Any) -> bytes:
    """A document of ours, with bytes or values of it changed; or another one."""
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return draw(st.one_of(VALUES.map(json_bytes), NESTED, st.binary(max_size=100)))
    if kind == 1:
        return draw(mutated(st.just(json_bytes(document))))
    changed = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(1, 3))):
        at = changed
        while isinstance(at, (dict, list)) and at:
            key = draw(st.sampled_from(sorted(at))) if isinstance(at, dict) else draw(st.integers(0, len(at) - 1))
            if not isinstance(at[key], (dict, list)) or draw(st.booleans()):
                at[key] = draw(VALUES)
                break
            at = at[key]
    return json_bytes(changed)


def replaced(place: Path, content: bytes) -> None:
    """Write a new file at a place: an old one may still be mapped into memory."""
    place.unlink(missing_ok=True)
    place.write_bytes(content)


def asked(read: Callable[[], Any]) -> None:
    try:
        read()
    except GapruneError as error:
        plain(error)


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
    store = CellStore(tmp_path)
    document = store.write("cell", {"value": 0.5, "parts": {"a": [1, 2]}})
    place = tmp_path / "cells" / "cell.json"

    @FUZZ
    @given(altered(document))
    def read(content: bytes) -> None:
        place.write_bytes(content)
        for found in (store.read("cell"), read_document(place, "value")):
            assert found is None or isinstance(found, dict)

    read()


@pytest.fixture
def copy(tiny_analysis: Path, tmp_path: Path) -> Path:
    """An analysis without checksums, as an earlier version wrote it, so that nothing is refused for them."""
    folder = Path(shutil.copytree(tiny_analysis, tmp_path / "analysis-0123456789abcdef"))
    document = json.loads((folder / "spec.json").read_text())
    del document["checksums"]
    (folder / "spec.json").write_text(json.dumps(document))
    return folder


def test_the_description_of_an_analysis_of_any_content(copy: Path) -> None:
    document = json.loads((copy / "spec.json").read_text())

    @FUZZ
    @given(altered(document))
    def read(content: bytes) -> None:
        (copy / "spec.json").write_bytes(content)
        asked(lambda: Statistics.open(copy))
        assert len(kept_runs(copy.parent)) <= 1

    read()


def test_the_label_of_an_analysis_of_any_content(copy: Path) -> None:
    @FUZZ
    @given(altered({"name": "mine", "note": "A note."}))
    def read(content: bytes) -> None:
        (copy / "label.json").write_bytes(content)
        assert len(kept_runs(copy.parent)) == 1

    read()


@pytest.mark.parametrize("part", ["sketch.npz", "histograms.npz", "summary.parquet"])
def test_a_part_of_an_analysis_of_any_content(copy: Path, part: str) -> None:
    whole = (copy / part).read_bytes()

    @FUZZ
    @given(st.one_of(mutated(st.just(whole)), st.binary(max_size=300)))
    def read(content: bytes) -> None:
        (copy / part).write_bytes(content)
        asked(lambda: open_analysis(copy))

    read()


@st.composite
def tensors(draw: st.DrawFn, whole: bytes) -> bytes:
    """A safetensors file with a header that lies."""
    (size,) = struct.unpack("<Q", whole[:8])
    if draw(st.booleans()):
        return draw(mutated(st.just(whole[: 8 + size]))) + whole[8 + size :]
    header = json.loads(whole[8 : 8 + size])
    content = draw(altered(header))
    length = draw(st.one_of(st.just(len(content)), st.integers(0, 2**64 - 1)))
    return struct.pack("<Q", length) + content + whole[8 + size :]


def test_statistics_of_any_header(copy: Path) -> None:
    place = copy / "statistics.safetensors"
    whole = place.read_bytes()
    name = Statistics.open(copy).names[0]

    @FUZZ
    @given(tensors(whole))
    def read(content: bytes) -> None:
        replaced(place, content)
        asked(lambda: Statistics.open(copy).tensor(name, "fisher_domain"))

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
        asked(lambda: load_model(spec))

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
