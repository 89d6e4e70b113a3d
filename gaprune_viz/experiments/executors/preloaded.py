"""To be imported by the process that workers are forked from: all that their work needs is loaded then."""

from __future__ import annotations

from gaprune_viz.experiments.executors import libraries, worker

__all__ = ["libraries", "worker"]

libraries.load()
