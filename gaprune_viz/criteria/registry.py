"""The saliency criteria by name: built in, registered, and plugged in by other packages.

A plug-in is a package with an entry point in the group `gaprune_viz.criteria` that loads to a `Criterion`.
"""

from __future__ import annotations

import difflib
import functools
from importlib.metadata import entry_points

from gaprune_viz.config import Allocation, RefitSpec, Settings, StructureSpec
from gaprune_viz.criteria import dai, joint, magnitude, sensitivity, sparsegpt, wanda
from gaprune_viz.criteria.criterion import Criterion
from gaprune_viz.criteria.sources import agreement as source_agreement
from gaprune_viz.criteria.sources import sensitivity as source_sensitivity
from gaprune_viz.errors import GapruneError

ENTRY_POINT_GROUP = "gaprune_viz.criteria"


BUILT_IN: tuple[Criterion, ...] = (
    *dai.CRITERIA,
    *joint.CRITERIA,
    *magnitude.CRITERIA,
    *sensitivity.CRITERIA,
    *source_agreement.CRITERIA,
    *source_sensitivity.CRITERIA,
    *sparsegpt.CRITERIA,
    *wanda.CRITERIA,
)
"""The built-in criteria, in the order of the lists that people choose from."""
CRITERIA: dict[str, Criterion] = {built_in.name: built_in for built_in in BUILT_IN}
"""The built-in and registered criteria. `criteria()` has the plug-ins as well."""


def register(new: Criterion) -> Criterion:
    """Add a criterion for the life of this process, from a notebook or a test. Returns it.

    Raises:
        GapruneError: it is no `Criterion`, or its name is taken by another.
    """
    _check(new, "What was registered", criteria())
    CRITERIA[new.name] = new
    return new


def criteria() -> dict[str, Criterion]:
    """Every criterion by name: built in, registered, plugged in.

    Raises:
        GapruneError: an installed plug-in is broken.
    """
    return {**CRITERIA, **_plug_ins()}


def criterion(name: str) -> Criterion:
    """A criterion by name.

    Raises:
        GapruneError: no such criterion; the nearest names are in the hint.
    """
    if name in CRITERIA:
        return CRITERIA[name]
    known = criteria()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Criteria are: {', '.join(known)}."
    raise GapruneError(f"There is no criterion {name!r}.", hint)


def settled(settings: Settings) -> Settings:
    """The same settings with allocation `auto` replaced by the criterion's own group; what is off has no knobs.

    A criterion with an update reads texts as a refit does, and keeps the knobs that say which. One that compares within
    a matrix cuts no neuron whole, which would span two.

    Whatever is kept under the key of some settings is kept under that of these.

    Raises:
        GapruneError: there is no such criterion.
    """
    if not settings.refit.refit and settings.refit != RefitSpec():
        read = settings.refit
        updates = criterion(settings.score.criterion).update is not None
        texts = {"domain_share": read.domain_share, "samples": read.samples} if updates else {}
        settings = settings.with_(refit=RefitSpec(**texts))
    if not settings.structure.whole and settings.structure != StructureSpec():
        settings = settings.with_(structure=StructureSpec())
    # Structures are ranked within their layer, whatever the criterion.
    if settings.structure.whole or settings.mask.allocation is not Allocation.AUTO:
        return settings
    group = criterion(settings.score.criterion).group
    whole = settings.mask.whole_neurons and group is not Allocation.MATRIX
    return settings.with_(mask=settings.mask.with_(allocation=group, whole_neurons=whole))


@functools.cache
def _plug_ins() -> dict[str, Criterion]:
    found: dict[str, Criterion] = {}
    for point in entry_points(group=ENTRY_POINT_GROUP):
        origin = f"The plug-in {point.name!r} ({point.value})"
        try:
            loaded = point.load()
        except (ImportError, AttributeError) as error:
            raise GapruneError(f"{origin} cannot be loaded: {error}.", "Repair or uninstall its package.") from error
        _check(loaded, origin, {**CRITERIA, **found})
        found[loaded.name] = loaded
    return found


def _check(candidate: object, origin: str, taken: dict[str, Criterion]) -> None:
    if not isinstance(candidate, Criterion):
        raise GapruneError(
            f"{origin} is of type {type(candidate).__name__}, not Criterion.",
            "It must be an object of gaprune_viz.Criterion.",
        )
    if taken.get(candidate.name, candidate) is not candidate:
        raise GapruneError(
            f"{origin} is called {candidate.name!r}, and so is another criterion.", "Give it a name of its own."
        )
