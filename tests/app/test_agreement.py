"""The sources of the analysis on screen, compared on the Domains tab."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gaprune_viz.analysis.sources.alignment import source_alignment
from gaprune_viz.app.page import Page
from gaprune_viz.app.session.access import visitor
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View
from gaprune_viz.app.tabs.domains import agreement
from tests.app.conftest import Held

REQUEST: Any = SimpleNamespace(session_hash="agreement")


@pytest.fixture
def parts(page: Page) -> agreement.Agreement:
    ((_, found),) = page.tabs["domains"].parts.sections
    return found


def test_sources_are_compared_once_and_shown_with_their_analysis(
    page: Page, held: Held, parts: agreement.Agreement, tiny_analysis: Path
) -> None:
    view = View(analysis=visitor().admit(tiny_analysis))
    values = held(view=view)
    assert agreement.draw(parts, page.frame.shown(values))[parts.bars]["visible"] is False
    found: dict[Any, Any] = {}
    for step in agreement.compare(parts, page.frame)(values, REQUEST):
        found.update(step)
    expected = source_alignment(STORE.analysis(view.analysis))
    shown = found[parts.bars]
    assert shown["visible"] and found[parts.progress] == ""
    drawn = [x for trace in shown["value"].data for x in trace.x]
    assert drawn == pytest.approx(expected.to_domain.tolist())
    assert np.isfinite(drawn).all()
    again = agreement.draw(parts, page.frame.shown(values))
    assert again[parts.layers]["visible"] and again[parts.layers]["value"] == found[parts.layers]["value"]
    # Another analysis is not shown with these.
    assert agreement.draw(parts, page.frame.shown(held()))[parts.bars]["visible"] is False
