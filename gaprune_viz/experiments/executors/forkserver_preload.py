"""To be imported by the process that workers are forked from: all that their work needs is loaded then."""

from __future__ import annotations

from gaprune_viz.experiments.executors import library_loading, worker

__all__ = ["library_loading", "worker"]

library_loading.load()
