"""What the page shows, in its address: settings by the names of the flags, and what is looked at.

An address says what differs from a preset, so that it is short. The server writes what it knows (run, settings,
metric, scale, matrix); the browser adds the open tab and the query in the search field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from gaprune_viz.app.session.access import DEMO, visitor
from gaprune_viz.app.session.view import View, place_of
from gaprune_viz.app.tuning.controls import FIELDS, held_by, nearest_preset, settings_from
from gaprune_viz.calibration.statistics import MatrixInfo
from gaprune_viz.config import Allocation, Settings
from gaprune_viz.config.presets import PRESETS
from gaprune_viz.criteria.registry import criteria
from gaprune_viz.errors import GapruneError
from gaprune_viz.figures.kit.metrics import METRICS
from gaprune_viz.figures.weights.atlas import GROUPINGS, SCALES

LONGEST = 64
RUN = "run"
PREFIX = "analysis-"
# Part of the address, attribute of the view, what it may be; the first is the default.
LOOKS = (("metric", "metric", tuple(METRICS)), ("scale", "scale", SCALES), ("group", "grouping", GROUPINGS))
LONGEST_ADDRESS = 4_000
PRESET = "preset"
REFITTED_BEFORE = {"domain_share": 0.5, "ridge": 0.3}
"""What an address means that says nothing of these: their defaults when addresses left them out."""


def query_of(settings: Settings, view: View, matrices: tuple[MatrixInfo, ...] = ()) -> str:
    """The address's query for some settings and what is looked at; empty for the paper's on the bundled analysis."""
    return "&".join(part for part in (settings_query(settings), look_query(view, matrices)) if part)


def settings_query(settings: Settings) -> str:
    """The nearest preset, and what differs from it."""
    base, changes = nearest_preset(settings)
    named = [(PRESET, base)] if PRESETS[base].settings != Settings() else []
    paper = nearest_preset(settings, ("paper",))[1]
    if named and len(paper) <= len(changes) + 1:
        named, changes = [], paper
    if settings.mask.allocation is Allocation.AUTO and _own_group(settings.score.criterion):
        changes = {**changes, "allocation": Allocation.AUTO.value}
    if _is_fitted(settings):
        changes = {**changes, **{f"refit_{name}": getattr(settings.refit, name) for name in REFITTED_BEFORE}}
    return urlencode(named + [(_param(name), value) for name, value in changes.items()])


def look_query(view: View, matrices: tuple[MatrixInfo, ...] = ()) -> str:
    """What is looked at: run, metric, scale, grouping and, where the matrices are known, the selected one."""
    pairs: list[tuple[str, Any]] = []
    run = run_named(view.analysis)
    if run:
        pairs.append((RUN, run))
    usual = View()
    pairs += [(key, getattr(view, name)) for key, name, _ in LOOKS if getattr(view, name) != getattr(usual, name)]
    if view.selected and matrices and view.selected != matrices[0].name:
        pairs.append(("at", place_of(view.selected, matrices)))
    return urlencode(pairs)


def settings_of(params: Mapping[str, str]) -> Settings | None:
    """The settings that an address asks for; None where it asks for nothing.

    Raises:
        GapruneError: a value is out of bounds.
    """
    named = PRESETS.get(params.get(PRESET, ""))
    held = held_by(named.settings if named else Settings())
    asked = named is not None
    for name in FIELDS:
        text = params.get(_param(name))
        if text is None:
            continue
        asked = True
        text = text[:LONGEST]
        held[name] = text if isinstance(held[name], (str, bool)) else _number(text)
    if not {"allocation", "structure"} & set(params) and _own_group(held["criterion"]):
        # Addresses of before `auto` say nothing of the allocation where it is global; those of now do.
        held["allocation"] = Allocation.GLOBAL.value
    if not asked:
        return None
    settings = settings_from(held)
    if _is_fitted(settings):
        unsaid = {name: usual for name, usual in REFITTED_BEFORE.items() if _param(f"refit_{name}") not in params}
        return settings.with_(refit=settings.refit.with_(**unsaid))
    return settings


def _param(name: str) -> str:
    """A field as an address names it."""
    return name.replace("_", "-")


def _own_group(name: str) -> bool:
    """Whether a criterion's authors compare weights in another group than the whole scope."""
    known = criteria().get(name)
    return known is not None and known.group is not Allocation.GLOBAL


def _is_fitted(settings: Settings) -> bool:
    """Whether kept weights are fitted to texts: by a refit, or by the criterion itself."""
    known = criteria().get(settings.score.criterion)
    return settings.refit.refit or (known is not None and known.update is not None)


def view_of(params: Mapping[str, str], shown: View) -> View:
    """A view with the metric, the scale and the grouping that an address asks for, where they exist."""
    found = {name: params[key] for key, name, known in LOOKS if params.get(key, "") in known}
    return shown.with_(**found)


def run_named(analysis: str) -> str:
    """An analysis as an address names it; empty for the bundled one."""
    return "" if analysis == DEMO else analysis.removeprefix(PREFIX)


def analysis_at(params: Mapping[str, str], shown: View) -> str:
    """The analysis that an address asks for; the shown one where it asks for none.

    Raises:
        GapruneError: there is none of that name here, or it is not the visitor's to see.
    """
    run = params.get(RUN, "")
    if not run:
        return shown.analysis
    name = DEMO if run == DEMO else f"{PREFIX}{run[:LONGEST]}"
    try:
        visitor().folder(name)
    except GapruneError as error:
        raise GapruneError(
            "The analysis of this link is not here.", "Press Run to make it; the rest of the link holds."
        ) from error
    return name


def matrix_at(place: str, matrices: tuple[MatrixInfo, ...]) -> str:
    """The name of the matrix at a place; empty where there is none."""
    found = (m.name for m in matrices if place and place_of(m.name, matrices) == place[:LONGEST])
    return next(found, "")


def params_of(query: str) -> dict[str, str]:
    """The parts of an address's query. Browsers may send anything."""
    return dict(parse_qsl(query[:LONGEST_ADDRESS].lstrip("?")))


def _number(text: str) -> float | str:
    """The number, or the text itself, which the spec then refuses by the name of its field."""
    try:
        return float(text)
    except ValueError:
        return text
