"""Presets that a person saved, in the workspace, beside those that are built in."""

from __future__ import annotations

import json
import re
from pathlib import Path

from gaprune_viz.config import Settings
from gaprune_viz.config.presets import PRESETS, Preset
from gaprune_viz.errors import GapruneError
from gaprune_viz.storage.json_files import stored_json
from gaprune_viz.storage.workspace import workspace, write_whole

FILE = "presets.json"
FORMAT = 1
NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
MOST = 100


def saved_presets() -> dict[str, Preset]:
    """The saved presets, by name; none where there is no such file.

    Raises:
        GapruneError: the file is damaged.
    """
    place = _place()
    if not place.is_file():
        return {}
    try:
        document = stored_json(place)
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']} is not {FORMAT}")
        return {row["name"]: Preset.parse(row) for row in document["presets"]}
    except (OSError, ValueError, KeyError, TypeError, GapruneError) as error:
        raise GapruneError(f"{place} is damaged: {error}.", "Delete it, and save your presets anew.") from error


def save_preset(name: str, settings: Settings, sentence: str) -> Preset:
    """Keep settings under a name; an earlier preset of that name is replaced.

    Raises:
        GapruneError: the name is built in or of a wrong form, there are too many, or the file cannot be written.
    """
    if name in PRESETS or not NAME.fullmatch(name):
        raise GapruneError(
            f"{name!r} cannot be the name of a preset.",
            f"Use small letters, digits and dashes, and none of: {', '.join(PRESETS)}.",
        )
    kept = {**saved_presets(), name: Preset(name=name, label=name, sentence=sentence, settings=settings)}
    if len(kept) > MOST:
        raise GapruneError(f"There are {MOST} saved presets already.", f"Delete some in {_place()}.")
    rows = [preset.model_dump(mode="json") for preset in kept.values()]
    write_whole(_place(), json.dumps({"format": FORMAT, "presets": rows}, indent=1, ensure_ascii=False) + "\n")
    return kept[name]


def find_preset(name: str) -> Preset:
    """A preset by name, built in or saved.

    Raises:
        GapruneError: listing the names that exist.
    """
    if name in PRESETS:
        return PRESETS[name]
    saved = saved_presets()
    if name not in saved:
        raise GapruneError(f"There is no preset {name!r}.", f"Presets are: {', '.join([*PRESETS, *saved])}.")
    return saved[name]


def _place() -> Path:
    return workspace() / FILE
