"""The sources of a run's two sides, from what a person wrote: `a + b`, each `name=place@weight`.

A name or a weight is read only where the text, as it stands, is no file or folder: paths may hold any of these signs.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gaprune_viz.config import BETWEEN_SOURCES, MOST_SOURCES, SIDES, CalibrationSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.storage.paths import named
from gaprune_viz.storage.workspace import UPLOAD_PREFIX

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_KINDS = ("hub:", "ontology:", UPLOAD_PREFIX)
_WEIGHT = re.compile(r"(.+)@([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?(?:nan|inf(?:inity)?))", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """One source of a side.

    Attributes:
        name: what tables and files call it; no two sources of a run share one.
        place: what is read, as `load_samples` takes it.
        weight: its share in its side before these are made to add up to 1; None where nobody gave one.
    """

    name: str
    place: str
    weight: float | None = None


def sides_of(spec: CalibrationSpec) -> dict[str, tuple[Source, ...]]:
    """The sources of both sides. Those of a run of several come in the order of their names: no other order matters.

    Raises:
        GapruneError: too many, a name that is none or is given twice, a weight that is not above 0, or weights for some
            sources of a side only.
    """
    found = {side: sources_of(getattr(spec, side)) for side in SIDES}
    if all(len(sources) == 1 for sources in found.values()):
        # As ever: there is nothing to tell apart but the sides, and they may be of one text.
        return {side: (replace(one, name=one.name or side),) for side, (one,) in found.items()}
    labelled = {
        side: [replace(s, name=s.name or _usual_name(s.place)) for s in sources] for side, sources in found.items()
    }
    _check(labelled)
    return {side: tuple(sorted(sources, key=lambda source: source.name)) for side, sources in labelled.items()}


def places_of(spec: CalibrationSpec) -> tuple[str, ...]:
    """What a run reads, of both sides.

    Raises:
        GapruneError: as `sides_of`.
    """
    return tuple(source.place for sources in sides_of(spec).values() for source in sources)


def sources_of(text: str) -> tuple[Source, ...]:
    """The sources in one text, in its order; a name is empty where none was given.

    Raises:
        GapruneError: a name that is none, or a weight that is not above 0.
    """
    return tuple(map(_source, [text] if _is_there(text) else text.split(BETWEEN_SOURCES)))


def written(sources: Sequence[Source]) -> str:
    """The text of some sources, as `sources_of` reads it."""
    parts = [f"{s.name}={s.place}" + ("" if s.weight is None else f"@{s.weight:.6g}") for s in sources]
    return BETWEEN_SOURCES.join(parts)


def _source(part: str) -> Source:
    text, name, weight = part, "", None
    if not _is_there(text) and (found := _WEIGHT.fullmatch(text)):
        text, weight = found[1], float(found[2])
        if not (weight > 0 and math.isfinite(weight)):
            raise GapruneError(
                f"The weight of source {text[:80]!r} is {found[2]}.", "A weight is a number above 0: NAME=PATH@0.3."
            )
    head, sign, tail = text.partition("=")
    if sign and not _is_there(text) and not text.startswith(_KINDS):
        name, text = head.strip(), tail
        if not NAME.fullmatch(name):
            raise GapruneError(
                f"{name[:80]!r} is no name of a source, and {part[:80]!r} is no file or folder.",
                "A name has letters, digits, `.`, `_` and `-`, at most 64, and begins with a letter or digit: "
                "NAME=PATH.",
            )
    text = text if _is_there(text) else text.strip()
    if not text:
        raise GapruneError("A source is empty.", f"Write `a{BETWEEN_SOURCES}b`, or NAME=PATH@WEIGHT for each.")
    return Source(name, text, weight)


def _check(labelled: dict[str, list[Source]]) -> None:
    """Refuse sources of a run that cannot be told apart, or weighed.

    Raises:
        GapruneError: saying which.
    """
    counts = Counter(source.name for sources in labelled.values() for source in sources)
    if counts.total() > MOST_SOURCES:
        raise GapruneError(
            f"{counts.total()} sources are too many; a run takes at most {MOST_SOURCES}.", "Join some of them."
        )
    name, times = counts.most_common(1)[0]
    if times > 1:
        raise GapruneError(f"{times} sources are named {name!r}.", "Give each a name of its own: NAME=PATH.")
    for side, sources in labelled.items():
        weighed = [source for source in sources if source.weight is not None]
        if weighed and len(weighed) < len(sources):
            without = next(source.name for source in sources if source.weight is None)
            raise GapruneError(
                f"The {side} source {without!r} has no weight, and {weighed[0].name!r} has one.",
                "Give every source of a side a weight, NAME=PATH@WEIGHT, or none.",
            )


def _usual_name(place: str) -> str:
    """What to call a source that nobody named: a file by its stem, a dataset of the Hub by its own name."""
    if place.startswith("hub:"):
        place = place.split(":")[1]
    stem = re.split(r"[/\\:]", place.rstrip("/"))[-1].split(".")[0]
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", stem).strip("-._")[:64] or "source"


def _is_there(text: str) -> bool:
    return bool(text.strip()) and named(text).exists()
