"""The progress line of long work."""

from __future__ import annotations

from html import escape


def progress_html(stage: str, fraction: float | None, eta: float | None = None) -> str:
    """A labelled bar. `fraction` None: under way, length unknown."""
    known = fraction is not None
    percent = round(100 * (fraction or 0.0))
    value = f'aria-valuenow="{percent}"' if known else ""
    right = f"{percent} %" if known else ""
    if eta is not None and known and 0 < percent < 100:
        # The page counts it down until the next news (assets/js/page/progress.js).
        right += f' · <span data-left="{eta:.1f}">{duration(eta)}</span> left'
    style = f"width:{percent}%" if known else ""
    return (
        f'<div class="gv-progress" role="progressbar" aria-valuemin="0" aria-valuemax="100" {value} '
        f'aria-label="{escape(stage, quote=True)}">'
        f'<div class="gv-progress-text"><span>{escape(stage)}</span><span>{right}</span></div>'
        f'<div class="gv-progress-track"><div class="gv-progress-bar{"" if known else " gv-progress-unknown"}" '
        f'style="{style}"></div></div></div>'
    )


def duration(seconds: float) -> str:
    """A time for people: `8 s`, `2 min 05 s`, `1 h 10 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60:02d} min"
