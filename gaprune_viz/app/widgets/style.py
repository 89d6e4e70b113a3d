"""The style sheet of the page, with the colours of `scales` in it."""

from __future__ import annotations

from functools import cache

from gaprune_viz.figures.kit import scales
from gaprune_viz.storage.paths import assets

# The sheets of `assets/css` in the order of the cascade.
SHEETS = (
    *("tokens", "gradio", "furniture", "tuning", "cards", "shares", "atlas", "legend", "rankings", "measures"),
    *("progress", "layout", "retrieval", "sweep", "tools", "charts", "compare", "inside", "tour", "lesson", "play"),
)
COLORS = {
    "dense": scales.DENSE,
    "pruned": scales.PRUNED,
    "kept": scales.KEPT,
    "domain": scales.DOMAIN,
    "general": scales.GENERAL,
    "threshold": scales.THRESHOLD,
    "hover-ground": scales.HOVER_GROUND,
    "hover-ink": scales.HOVER_INK,
    "linked": scales.LINKED,
    "unknown": scales.UNKNOWN,
    "paper": scales.PAPER,
}


def variables() -> str:
    """The colours with a meaning, as CSS variables."""
    return ":root{" + "".join(f"--gv-c-{name}:{color};" for name, color in COLORS.items()) + "}"


@cache
def style_sheet() -> str:
    """The whole style sheet as text: the variables, then the files of `assets/css`."""
    folder = assets() / "css"
    return "\n".join([variables(), *((folder / f"{name}.css").read_text(encoding="utf-8") for name in SHEETS)])


def head() -> str:
    """A `<style>` element for `launch(head=...)`.

    Not for `launch(css=...)`: gradio rewrites what it is given there, and drops or narrows at-rules.
    """
    return f"<style>{style_sheet()}</style>"
