"""Benchmark: mteb tasks, dense beside pruned and retrained; and retraining itself, with a live curve."""

from __future__ import annotations

from gaprune_viz.app.frame.tab import Tab
from gaprune_viz.app.tabs.benchmark import events
from gaprune_viz.app.tabs.benchmark.layout import BenchmarkTab, build

TAB = Tab[BenchmarkTab]("benchmark", "Benchmark", build, events.wire)
