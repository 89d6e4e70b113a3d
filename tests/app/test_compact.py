"""The bundled analysis answers at once from compact statistics; where they were altered, its run is made instead."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gaprune_viz.analysis.compacting import compacted
from gaprune_viz.analysis.exact_scores import load_dense
from gaprune_viz.app.frame import long_work
from gaprune_viz.app.page import Page
from gaprune_viz.app.session.access import visitor
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View, mask_words
from gaprune_viz.calibration.compact.file import COMPACT_FILE
from gaprune_viz.calibration.progress import drain
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import MaskSpec, Settings
from gaprune_viz.jobs.works import searching
from tests.app.conftest import Held, plain

REQUEST: Any = SimpleNamespace(session_hash="compact")


@pytest.fixture(scope="module")
def folder(tiny_analysis: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("compact") / "analysis"
    drain(compacted(tiny_analysis, out, load_dense(Statistics.open(tiny_analysis))))
    return out


def finished(steps: Any) -> Any:
    try:
        while True:
            next(steps)
    except StopIteration as end:
        return end.value


def test_nothing_is_run_for_a_comparison(page: Page, folder: Path) -> None:
    view = View(analysis=visitor().admit(folder))
    seen, analysis = finished(long_work.full(page.frame, view, long_work.begin(REQUEST), page.frame.headline))
    assert seen == view and not analysis.statistics.exact
    settings = Settings(mask=MaskSpec(sparsity=0.7))
    found = searching.compare_query(analysis, settings, "chemistry", None, "a loan", lambda *_: None, lambda: False)
    assert len(found.sides.pruned) == 10


def test_it_says_how_near_its_masks_are(page: Page, held: Held, folder: Path) -> None:
    view, settings = View(analysis=visitor().admit(folder)), Settings(mask=MaskSpec(sparsity=0.7))
    analysis = STORE.analysis(view.analysis)
    place = {"name": analysis.statistics.names[0], "row": 0, "column": 0}
    long_work.asked("explain", analysis, settings, lambda *_: None, lambda: False, **place)
    headline = plain(page.following.refresh(held(view=view, settings=settings))[page.frame.headline])
    assert mask_words(analysis) in headline and "mask from compact statistics (at most" in headline


def test_a_sweep_needs_what_was_measured(page: Page, folder: Path) -> None:
    view = View(analysis=visitor().admit(folder))
    _, analysis = finished(long_work.full(page.frame, view, long_work.begin(REQUEST), page.frame.headline, exact=True))
    assert analysis.statistics.exact
    assert analysis.statistics.document["key"] == STORE.analysis(view.analysis).statistics.document["key"]


def test_altered_ones_are_told_of_and_the_run_is_made(page: Page, folder: Path, tmp_path: Path) -> None:
    altered = Path(shutil.copytree(folder, tmp_path / "analysis"))
    view = View(analysis=visitor().admit(altered))
    assert not STORE.analysis(view.analysis).statistics.exact
    data = bytearray((altered / COMPACT_FILE).read_bytes())
    data[len(data) // 2] ^= 1
    (altered / COMPACT_FILE).write_bytes(bytes(data))
    with pytest.warns(UserWarning, match="computed instead"):
        seen, analysis = finished(long_work.full(page.frame, view, long_work.begin(REQUEST), page.frame.headline))
    assert seen != view and analysis.statistics.exact
