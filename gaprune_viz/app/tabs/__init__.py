"""The tabs of the page, each a folder with what it lays out, what it shows and what its events do."""

from __future__ import annotations

import importlib
from typing import Any

from gaprune_viz.app.frame.tab import Tab

NAMES = (
    "atlas",
    "matrix",
    "distributions",
    "compare",
    "retrieval",
    "sweep",
    "benchmark",
    "study",
    "domains",
    "data",
    "export",
    "runs",
    "learn",
)
"""The folders, in the order in which the page shows them. Each has its `TAB`."""

TABS: tuple[Tab[Any], ...] = tuple(importlib.import_module(f"{__name__}.{name}").TAB for name in NAMES)
