"""What a run will take, before it runs."""

from __future__ import annotations

from gaprune_viz.errors import readable
from gaprune_viz.figures.kit.panels import notice
from gaprune_viz.figures.kit.protocols import Plan

HOUR, DAY = 3_600, 86_400


def plan_html(found: Plan, more: str = "") -> str:
    """Time, memory and disk, and what is behind them; and one more sentence."""
    groups = f" They are calibrated in {len(found.groups)} groups, in turn." if len(found.groups) > 1 else ""
    facts = (
        f"{_duration(found.seconds or 0.0)} on this machine as it is now",
        f"{readable(found.peak_bytes)} of memory at most",
        f"{readable(found.disk_bytes)} on disk",
    )
    behind = (
        f"{found.weights:,} weights in {found.matrices} matrices, {found.samples:,} samples of both sides, "
        f"{found.tokens:,} tokens, {found.flops / 1e12:,.1f} TFLOP.{groups}"
    )
    stages = ", ".join(f"{name} {seconds:,.0f} s" for name, seconds in found.stages.items())
    behind += f" Of the time: {stages}." if stages else ""
    reading = f" Prompts: {found.reading}." if found.reading else ""
    return notice(" ".join([f"{', '.join(facts)}. {behind}{reading}", *found.notes, *([more] if more else [])]))


def _duration(seconds: float) -> str:
    """About how long, in the unit that people would use."""
    if seconds < 90:
        return f"About {max(1, round(seconds))} s"
    if seconds < 2 * HOUR:
        return f"About {round(seconds / 60)} min"
    return f"About {seconds / HOUR:.0f} h" if seconds < 2 * DAY else f"About {seconds / DAY:.0f} days"
