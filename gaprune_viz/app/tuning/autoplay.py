"""Play: the sparsity walks up and back by itself.

The browser (`assets/js/page/play.js`) moves the slider as a hand would. It takes the next step when all that follows
the last one is on screen, so that a slow server is asked no more often than it answers.
"""

from __future__ import annotations

import json
from html import escape

from gaprune_viz.config.autoplay import PLAY_HELP, PlaySpec

PART = "play"
"""Its part of the address: the control that is walked."""
WALKED = "sparsity"

_ICONS = (
    '<svg viewBox="0 0 16 16" aria-hidden="true" focusable="false"><path class="gv-play-go" d="M4 2.5v11l9-5.5z"/>'
    '<path class="gv-play-hold" d="M4 2.5h3v11H4zM9 2.5h3v11H9z"/></svg>'
)
_STOP = '<svg viewBox="0 0 16 16" aria-hidden="true" focusable="false"><path d="M3.5 3.5h9v9h-9z"/></svg>'


def play_html() -> str:
    """The two buttons, at rest."""
    return (
        '<div class="gv-step-pair gv-play" role="group" aria-label="Play the sparsity" data-state="idle">'
        f'<button type="button" class="gv-step" id="gv-play" data-gv="play" title="{escape(PLAY_HELP)}" '
        f'aria-label="Play: {walk_words()}">{_ICONS}<span class="gv-play-word">Play</span></button>'
        '<button type="button" class="gv-step" id="gv-play-stop" data-gv="play-stop" aria-disabled="true" '
        f'aria-label="Stop playing" title="Stop (Escape)">{_STOP}</button></div>'
    )


def walk_words(spec: PlaySpec | None = None) -> str:
    """What is walked, in words."""
    spec = spec or PlaySpec()
    return f"{WALKED} from {spec.lowest:.0%} to {spec.highest:.0%} and back".replace("%", " %")


def script(spec: PlaySpec | None = None) -> str:
    """What the page's script needs to know."""
    spec = spec or PlaySpec()
    told = {**spec.model_dump(), "part": PART, "walked": WALKED, "words": walk_words(spec)}
    return f"window.gvPlay = {json.dumps(told)};"
