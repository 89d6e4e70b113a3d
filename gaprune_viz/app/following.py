"""What an event calls after it has changed the settings: the sentence and the atlas at once, then the open tab."""

from __future__ import annotations

from typing import Any

from gaprune_viz.app import handlers as do
from gaprune_viz.app.events import LIGHT
from gaprune_viz.app.page import Page


def refresh(page: Page) -> dict[str, Any]:
    """What follows a slider; and heavy work too, because an exact mask says how far the preview was off."""
    return {
        "fn": do.refresh,
        "inputs": [page.view, *page.tuning.controls],
        "outputs": do.light_outputs(page),
        **LIGHT,
    }


def follow(page: Page) -> dict[str, Any]:
    """What the open tab shows."""
    return {"fn": do.follow, "inputs": do.slow_inputs(page), "outputs": do.slow_outputs(page), **LIGHT}
