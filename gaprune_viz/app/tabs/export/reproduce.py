"""How to get the numbers of the page again: commands for a shell, and Python."""

from __future__ import annotations

import shlex
from pprint import pformat
from typing import Any

from gaprune_viz.config import STARTER_DOMAINS, RunSpec, Settings, Spec
from gaprune_viz.config.fields import flag_name

WIDTH = 88


def shell_text(run: RunSpec, settings: Settings) -> str:
    """Commands that give the same numbers: the analysis, what decides, the pruned model, retrieval before and after."""
    analyze = _flags(run.model) + _flags(run.calibration)
    chosen = _flags(settings.score) + _flags(settings.mask)
    beside = _flags(settings.refit, "refit") + _flags(settings.structure, "structure")
    # What a diagnosis counts are single weights.
    diagnose = [] if settings.structure.whole else [["gaprune-viz diagnose run", *chosen, "--json"]]
    lines = (
        ["gaprune-viz analyze", *analyze, "--out run"],
        *diagnose,
        ["gaprune-viz prune run", *chosen, *beside, "--out pruned"],
        ["gaprune-viz compare pruned --task", shlex.quote(_task(run)), "--json"],
    )
    return "\n".join(" ".join(line) for line in lines)


def python_text(run: RunSpec, settings: Settings) -> str:
    """Python that gives the same numbers."""
    first, beside = ('print(diagnose(folder, settings)["sentence"])\n', "diagnose, ")
    if settings.structure.whole:
        first = beside = ""
    return f"""from pathlib import Path

from gaprune_viz import RunSpec, Settings, analyze, compare_models, {beside}drain, load_pair, load_task, prune

run = {_call("RunSpec", run)}
settings = {_call("Settings", settings)}
folder = drain(analyze(run, Path("run")))
{first}prune(folder, settings, Path("pruned"))
compared, *_ = compare_models(load_pair(Path("pruned")), load_task({_task(run)!r}))
print(compared.dense["ndcg_at_10"], compared.pruned["ndcg_at_10"])
"""


def _task(run: RunSpec) -> str:
    """The collection that the page searches first."""
    domain = run.calibration.domain
    return domain if domain in STARTER_DOMAINS else "general"


def _call(name: str, spec: Spec) -> str:
    """A spec as a call that builds it, what is usual left out."""
    values = _unusual(spec)
    if not values:
        return f"{name}()"
    return f"{name}.model_validate({pformat(values, width=WIDTH, sort_dicts=False)})"


def _unusual(spec: Spec) -> dict[str, Any]:
    """The fields that differ from the default; of specs inside, theirs."""
    found: dict[str, Any] = {}
    values, usual = spec.model_dump(mode="json"), type(spec)().model_dump(mode="json")
    for field in values:
        inner = getattr(spec, field)
        if isinstance(inner, Spec):
            found |= {field: part} if (part := _unusual(inner)) else {}
        elif values[field] != usual[field]:
            found[field] = values[field]
    return found


def _flags(spec: Spec, prefix: str = "") -> list[str]:
    """The fields that differ from the default, as flags."""
    return [_flag(flag_name(name, prefix).replace("_", "-"), value) for name, value in _unusual(spec).items()]


def _flag(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    return f"--{name} {shlex.quote(str(value))}"
