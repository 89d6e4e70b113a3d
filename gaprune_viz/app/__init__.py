"""The page: composition, tabs, handlers, session store. No algorithm lives here."""

from __future__ import annotations

from gaprune_viz.app.page import build, launch

__all__ = ["build", "launch"]
