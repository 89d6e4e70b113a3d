"""Anything at all in the parts of an analysis: what is opened is shown, or there is one clear line, in five seconds.

Bytes that were changed are caught by the formats' own checks, so most cases are whole files with other contents: of
another kind, shape, number or order, with parts left out or called otherwise.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from gaprune_viz.analysis.opening import open_analysis
from gaprune_viz.app.frame.summary_row import headline_html
from gaprune_viz.app.session.view import Live, Shown, View, run_line
from gaprune_viz.app.tabs.atlas import view as atlas
from gaprune_viz.config import Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.figures.weights import distributions, matrix
from tests.odd import FUZZ, MARKUP, TEXTS, altered, asked, given, mutated

NUMBERS = st.sampled_from([0, 1, -1, 7, 2**31 - 1, 1e38, -1e38, 1e-45, float("nan"), float("inf"), float("-inf")])
KINDS = st.sampled_from(["?", "i1", "u1", "i4", ">i4", "i8", "u8", "f2", "f4", ">f4", "f8", "g", "c8", "U4", "S4", "O"])
NAMES = st.one_of(TEXTS, st.sampled_from(["segment_length", "scattered:theta", "fisher_domain", "theta_edges"]))


def put(values: np.ndarray, number: float, at: int) -> np.ndarray:
    values = values.copy()
    if values.size:
        with np.errstate(all="ignore"):
            values.reshape(-1)[at % values.size] = np.array(number).astype(values.dtype)
    return values


@st.composite
def changed(draw: st.DrawFn, values: np.ndarray) -> np.ndarray:
    """An array of another kind, shape, number or order."""
    ways: list[Callable[[], np.ndarray]] = [
        lambda: np.resize(values, draw(st.integers(0, 5_000))),
        lambda: values.reshape(draw(st.sampled_from([(1, -1), (-1, 1), (-1,), (*values.shape, 1)]))),
        lambda: np.full_like(values, draw(st.sampled_from([0, 1, 2]))),
        lambda: values.reshape(-1)[::-1].reshape(values.shape),
        lambda: put(values, draw(NUMBERS), draw(st.integers(0, 10_000))),
        lambda: values.astype(draw(KINDS)) if values.dtype.kind not in "OUSMmV" else values[:0],
    ]
    with np.errstate(all="ignore"):
        return draw(st.sampled_from(ways))()


@st.composite
def arrays(draw: st.DrawFn, whole: dict[str, np.ndarray]) -> bytes:
    """An .npz file that is whole, with some arrays changed, left out, exchanged or called otherwise; or one array."""
    found = dict(whole)
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(found) or [""]))
        way = draw(st.sampled_from(["change", "change", "change", "drop", "name", "other"]))
        if name not in found:
            break
        if way == "change":
            found[name] = draw(changed(found[name]))
        elif way == "other":
            found[name] = found[draw(st.sampled_from(sorted(found)))]
        else:
            values = found.pop(name)
            if way == "name":
                # What the archive itself can write as a name.
                found[draw(NAMES).encode("ascii", "replace").decode().replace("\0", "") or "x"] = values
    sink = io.BytesIO()
    if draw(st.integers(0, 19)) == 0:
        np.save(sink, next(iter(found.values()), np.zeros(1)))
    else:
        written: dict[str, Any] = found
        np.savez(sink, **{("x" if name == "file" else name): values for name, values in written.items()})
    return sink.getvalue()


@st.composite
def tables(draw: st.DrawFn, whole: pd.DataFrame) -> bytes:
    """A Parquet file that is whole, with other columns, rows or values."""
    table = whole.copy()
    for _ in range(draw(st.integers(1, 3))):
        name, rows = draw(st.sampled_from([*table.columns] or ["x"])), len(table)
        if name not in table.columns:
            break
        way = draw(st.sampled_from(["values", "put", "drop", "name", "rows", "order", "kind"]))
        if way == "values":
            values = st.one_of(TEXTS.filter(lambda text: "\ud800" not in text), NUMBERS, st.booleans(), st.none())
            kind = st.sampled_from([NUMBERS, st.integers(-(2**31), 2**31), values.map(str), st.none()])
            table[name] = draw(st.lists(draw(kind), min_size=rows, max_size=rows))
        elif way == "put":
            table[name] = table[name].astype(object).where(np.arange(rows) != draw(st.integers(0, 20)), None)
        elif way == "drop":
            table = table.drop(columns=name)
        elif way == "name":
            table = table.rename(columns={name: draw(TEXTS).replace("\ud800", "") or "x"})
        elif way == "rows":
            table = table.iloc[draw(st.lists(st.integers(0, rows - 1), max_size=2 * rows))] if rows else table
        elif way == "order":
            table = table.iloc[::-1][[*table.columns][::-1]]
        else:
            table[name] = table[name].map(draw(st.sampled_from([str, repr, lambda value: [value], lambda value: None])))
    sink = io.BytesIO()
    table.loc[:, ~table.columns.duplicated()].to_parquet(sink, index=draw(st.booleans()))
    return sink.getvalue()


def shown(folder: Path) -> None:
    """What a page shows of an analysis when it is opened."""
    analysis = open_analysis(folder)
    preview = analysis.live.preview(Settings())
    table = analysis.summary.assign(
        pruned_fraction=preview.pruned_fraction, score_mean=preview.score_mean, threshold=preview.thresholds
    )
    now, drawn = Live(analysis, preview, table), Shown(View(), Settings())
    # What it would look up for itself is that of the page's own analysis.
    vars(drawn)["now"] = now
    analysis.live.preview(Settings.parse({"mask": {"allocation": "row"}}))
    analysis.live.densities(Settings())
    assert len(atlas.matrix_table(now)) == len(analysis.summary)
    parts = [
        run_line(analysis, "a"),
        headline_html(now),
        atlas.atlas_html(drawn),
        atlas.detail_html(drawn),
    ]
    assert not [markup for markup in MARKUP if any(markup in part for part in parts)]


def figures(folder: Path) -> None:
    analysis = open_analysis(folder)
    for side in ("domain", "general"):
        figure = distributions.fisher_density(analysis.histograms, analysis.summary[["name", "layer"]], side)
        assert figure.to_plotly_json()
    assert matrix.matrix_detail(analysis.histograms, 0, "a").to_plotly_json()


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def contents(path: Path) -> st.SearchStrategy[bytes]:
    """Any content of a part, most of it whole."""
    whole = tables(pd.read_parquet(path)) if path.suffix == ".parquet" else arrays(arrays_of(path))
    bent = mutated(st.just(path.read_bytes()))
    return st.one_of(whole, whole, whole, bent, st.binary(max_size=300))


# Numbers as large as 1e38 overflow on their way to the page; that is no error there.
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("part", "use"), [("sketch.npz", shown), ("histograms.npz", figures), ("summary.parquet", shown)]
)
def test_a_part_of_an_analysis_of_any_content(unsealed: Path, part: str, use: Callable[[Path], None]) -> None:
    use(unsealed)

    @FUZZ
    @given(contents(unsealed / part))
    def read(content: bytes) -> None:
        (unsealed / part).write_bytes(content)
        asked(lambda: use(unsealed))

    read()


def test_an_analysis_of_any_description(unsealed: Path) -> None:
    document = json.loads((unsealed / "spec.json").read_text())
    # Most of it is why other weights were left out.
    document["refused"] = {}

    @FUZZ
    @given(altered(document))
    def read(content: bytes) -> None:
        (unsealed / "spec.json").write_bytes(content)
        asked(lambda: shown(unsealed))

    read()


def test_a_part_that_unpacks_to_too_much_is_refused(unsealed: Path, tmp_path: Path) -> None:
    """Some 300 KB of a file that would be 300 MB; it is refused by what it says of itself."""
    shutil.copy(unsealed / "sketch.npz", tmp_path / "whole.npz")
    np.savez_compressed(unsealed / "sketch.npz", **arrays_of(tmp_path / "whole.npz"), x=np.zeros(3 * 10**8, "i1"))  # pyright: ignore[reportArgumentType]
    assert (unsealed / "sketch.npz").stat().st_size < 2**21
    with pytest.raises(GapruneError, match="larger than any that was written"):
        open_analysis(unsealed)


def test_a_name_that_is_no_utf_8_is_refused(unsealed: Path) -> None:
    """Its one byte is not looked at by the format, and was an error without a hint when the page was drawn."""
    place = unsealed / "summary.parquet"
    pd.read_parquet(place).to_parquet(place, index=False, compression=None, use_dictionary=False)
    place.write_bytes(place.read_bytes().replace(b"encoder.layer.1", b"\xffncoder.layer.1"))
    with pytest.raises(GapruneError, match="damaged"):
        open_analysis(unsealed)


def last_of_others(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values[-1] += 10_000
    return values


FOUND: list[tuple[str, str, Callable[[np.ndarray], np.ndarray]]] = [
    ("sketch.npz", "scattered:theta", lambda values: values[:-1]),
    ("sketch.npz", "segments:theta", lambda values: values.astype("U8")),
    ("sketch.npz", "scattered:matrix", np.zeros_like),
    ("sketch.npz", "scattered:matrix", last_of_others),
    ("sketch.npz", "scattered:flat", last_of_others),
    ("sketch.npz", "scattered:weight", np.zeros_like),
    ("sketch.npz", "segment_length", np.zeros_like),
    ("histograms.npz", "theta", lambda values: values[:-1]),
    ("histograms.npz", "theta", lambda values: values - 10),
    ("histograms.npz", "theta_edges", lambda values: values[::-1]),
]


@pytest.mark.parametrize(("part", "name", "change"), FOUND, ids=lambda value: value if isinstance(value, str) else "")
def test_arrays_that_are_not_those_of_the_analysis_are_refused(
    unsealed: Path, part: str, name: str, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    whole = arrays_of(unsealed / part)
    written: dict[str, Any] = {**whole, name: change(whole[name])}
    np.savez(unsealed / part, **written)
    with pytest.raises(GapruneError, match="Run"):
        open_analysis(unsealed)


def test_one_array_in_place_of_a_file_of_them_is_refused(unsealed: Path) -> None:
    with (unsealed / "sketch.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(GapruneError, match=r"it is no \.npz file"):
        open_analysis(unsealed)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_numbers_that_overflow_are_still_shown(unsealed: Path) -> None:
    """A score that is no number was an error without a hint when its distribution was drawn."""
    written: dict[str, Any] = arrays_of(unsealed / "sketch.npz")
    written["scattered:fisher_domain"][0] = written["scattered:fisher_general"][0] = np.float32("inf")
    np.savez(unsealed / "sketch.npz", **written)
    scores, _ = open_analysis(unsealed).live.densities(Settings())
    assert np.isclose(scores.counts.sum(), written["scattered:weight"].sum())
