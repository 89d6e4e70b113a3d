"""The page: composition, tabs, session, endpoints. No algorithm lives here."""

from __future__ import annotations

from gaprune_viz.app.page import build
from gaprune_viz.app.serving import launch

__all__ = ["build", "launch"]
