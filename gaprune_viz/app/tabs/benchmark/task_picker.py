"""Which tasks the pickers say."""

from __future__ import annotations

from collections.abc import Sequence

from gaprune_viz.app.session.access import visitor
from gaprune_viz.config import STARTER_DOMAINS
from gaprune_viz.evaluation.mteb.catalogue import STARTER_PREFIX, BenchmarkTask, is_path
from gaprune_viz.figures.kit import panels
from gaprune_viz.jobs.works.benchmarking import tasks_named

LONGEST_NAMES = 500


def chosen_tasks(values: Sequence[str | list[str] | None]) -> tuple[BenchmarkTask, ...]:
    """The tasks that the pickers say, where the visitor may read them.

    Raises:
        GapruneError: none is chosen, one is unknown or not for this visitor, or there are too many for the page.
    """
    return tasks_named(chosen_names(values))


def chosen_names(values: Sequence[str | list[str] | None]) -> list[str]:
    """Their names, where the visitor may read them.

    Raises:
        GapruneError: one is not for this visitor.
    """
    *groups, own = values
    picked = [name for group in groups for name in (group or ())]
    typed = [name.strip() for name in str(own or "")[:LONGEST_NAMES].split(",") if name.strip()]
    for name in [*picked, *typed]:
        visitor().check_source(_source(name))
    return [*picked, *typed]


def _source(name: str) -> str:
    """The name in the words of the rules on what may be read: what is neither a path nor a starter is of the Hub."""
    bare = name.removeprefix(STARTER_PREFIX)
    if bare in STARTER_DOMAINS:
        return bare
    if name.startswith("ontology:") or is_path(name):
        return name
    return f"hub:{name}"


def nothing_yet() -> str:
    """What stands in the place of an estimate while no task is chosen."""
    return panels.notice("Choose tasks: what they will cost is said here before anything runs.")
