"""What can be refused of a run before torch or a model is loaded: its names, the kind of its folder, its data files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from gaprune_viz.config import DEFAULT_MODEL, STARTER_DOMAINS, ModelSpec, RunSpec
from gaprune_viz.data.sources.joining import joined
from gaprune_viz.data.sources.naming import places_of, sides_of
from gaprune_viz.data.sources.overlap import refuse_overlap
from gaprune_viz.data.triplets import TextSet, TripletSet, calibration_sources, check_source
from gaprune_viz.models.files.checkpoint_kinds import ADAPTER, folder_look, kind_of, refuse_other_weights
from gaprune_viz.models.sources import name_and_revision, resolve_source
from gaprune_viz.storage.paths import named
from gaprune_viz.storage.workspace import UPLOAD_PREFIX

# Larger files are read once, when the run does: to read them twice would take longer than it saves.
READ_TWICE = 32 * 2**20


def look_first(run: RunSpec) -> None:
    """Refuse a run that cannot be.

    Raises:
        GapruneError: as loading the model or reading the data would.
    """
    look_at_model(run.model)
    sides = sides_of(run.calibration)
    for place in places_of(run.calibration):
        check_source(place)
    read: dict[str, TripletSet | TextSet] = {}
    for side, sources in sides.items():
        if any(_is_small_file(source.place) for source in sources) and all(_is_soon_read(s.place) for s in sources):
            # What has been read by then is whole.
            with suppress(_ModelNeeded):
                found = calibration_sources(run.calibration, side, _no_model)
                joined(found)
                read |= {source.name: data for source, data in found}
    if sum(map(len, sides.values())) > len(sides):
        refuse_overlap(read)


class _ModelNeeded(Exception):
    """Data are read as far as they can be without a model: hard negatives are mined with it."""


def _no_model(texts: Sequence[str], kind: str) -> np.ndarray:
    raise _ModelNeeded


def look_at_model(spec: ModelSpec) -> None:
    """Refuse a name that stands for no model, and a folder of another kind than can be pruned. Nothing is downloaded.

    Raises:
        GapruneError: as loading it would.
    """
    if spec.model == DEFAULT_MODEL:
        return
    source, label = resolve_source(*name_and_revision(spec))
    if isinstance(source, Path) and kind_of(folder_look(source), label) != ADAPTER:
        refuse_other_weights(source)


def _is_soon_read(source: str) -> bool:
    return source in STARTER_DOMAINS or _is_small_file(source)


def _is_small_file(source: str) -> bool:
    if source in STARTER_DOMAINS or source.startswith(("ontology:", "hub:", UPLOAD_PREFIX)):
        return False
    path = named(source)
    return path.is_file() and path.stat().st_size <= READ_TWICE
