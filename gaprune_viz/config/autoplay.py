"""How *Play* walks a control by itself: from where to where, how quickly, and how long it waits for an answer."""

from __future__ import annotations

from pydantic import Field

from gaprune_viz.config.base import Spec


class PlaySpec(Spec):
    """The walk of the sparsity: up from `lowest` to `highest`, and back."""

    lowest: float = Field(default=0.0, ge=0.0, le=0.95, description="Where the walk begins, and where it ends.")
    highest: float = Field(default=0.9, ge=0.0, le=0.95, description="Where the walk turns back.")
    step: float = Field(default=0.05, gt=0.0, le=0.5, description="How far one step of the walk goes.")
    rest_seconds: float = Field(
        default=0.7,
        ge=0.2,
        le=60,
        description="Rest after a step, once all that follows it is on screen, so that it can be read.",
        json_schema_extra={"unit": "s"},
    )
    calm_rest_seconds: float = Field(
        default=2.0,
        ge=0.2,
        le=60,
        description="The same, for a person who asked the system for less motion.",
        json_schema_extra={"unit": "s"},
    )
    longest_seconds: float = Field(
        default=20.0,
        ge=1,
        le=600,
        description="Play stops where the server has said nothing for so long.",
        json_schema_extra={"unit": "s"},
    )


PLAY_HELP = (
    "Play walks the sparsity up from none and back, and all that is open follows: the sentence, the atlas, the "
    "ranking. Space pauses and resumes, Escape or a hand on any control stops. The link of a playing page plays by "
    "itself."
)
