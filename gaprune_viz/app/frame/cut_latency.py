"""How much faster a cut would be: measured once on this machine, at a few widths, and told at every move after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.long_work import asked, heavy_job, heavy_listener, stopping
from gaprune_viz.app.frame.updates import Following
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View
from gaprune_viz.app.widgets.events import Changes, Steps, Values
from gaprune_viz.config import Settings
from gaprune_viz.evaluation.timing.latency_curve import Curve


def wire_timing(frame: Frame, following: Following) -> None:
    """Connect the button; what was measured is told at once."""
    bar = frame.timing
    measuring = heavy_listener(frame, measure(frame), bar.progress)
    bar.measure.click(**measuring).then(**following.refreshing)
    bar.stop.click(**stopping())


def measure(frame: Frame) -> Callable[..., Steps]:
    """Time the model of the analysis on screen at a few widths of the chosen structure."""

    def handler(values: Values, request: gr.Request) -> Steps:
        measured: list[tuple[Analysis, Curve]] = []

        def work(shown: View, analysis: Analysis, settings: Settings, report: Any, stopped: Any) -> Curve:
            curve = asked("timing", analysis, settings, report, stopped)
            measured.append((analysis, curve))
            return curve

        def show(curve: Curve) -> Changes:
            STORE.keep_curve(measured[0][0], curve)
            return {}

        yield from heavy_job(frame, frame.timing.progress, work, show, values, request)

    return handler
