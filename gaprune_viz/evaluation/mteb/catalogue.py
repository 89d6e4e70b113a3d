"""Which tasks there are, by group, and a task by the name that a person writes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from gaprune_viz.config import STARTER_DOMAINS, STARTER_LABELS, task_source
from gaprune_viz.data.collections.archives import is_archive
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.mteb.finmteb import SETS, finmteb_task
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import RetrievalTask
from gaprune_viz.storage.paths import named

if TYPE_CHECKING:
    from mteb import AbsTask

CHEMTEB = "ChemTEB(v1.1)"
STARTER_PREFIX, FINMTEB_PREFIX, ONTOLOGY_PREFIX = "starter:", "finmteb:", "ontology:"

# The tasks of mteb's benchmark ChemTEB(v1.1), so that lists do not wait for mteb; a test compares.
CHEMTEB_TASKS = {
    "ChemNQRetrieval": "Retrieval",
    "ChemHotpotQARetrieval": "Retrieval",
    "ChemRxivRetrieval": "Retrieval",
    "PubChemSMILESBitextMining": "BitextMining",
    "PubChemAISentenceParaphrasePC": "PairClassification",
    "PubChemSMILESPC": "PairClassification",
    "PubChemSynonymPC": "PairClassification",
    "PubChemWikiPairClassification": "PairClassification",
    "PubChemWikiParagraphsPC": "PairClassification",
    "SDSEyeProtectionClassification": "Classification",
    "SDSGlovesClassification": "Classification",
    "WikipediaBioMetChemClassification": "Classification",
    "WikipediaBiolumNeurochemClassification": "Classification",
    "WikipediaChemEngSpecialtiesClassification": "Classification",
    "WikipediaChemFieldsClassification": "Classification",
    "WikipediaChemistryTopicsClassification": "Classification",
    "WikipediaCompChemSpectroscopyClassification": "Classification",
    "WikipediaCryobiologySeparationClassification": "Classification",
    "WikipediaCrystallographyAnalyticalClassification": "Classification",
    "WikipediaGreenhouseEnantiopureClassification": "Classification",
    "WikipediaIsotopesFissionClassification": "Classification",
    "WikipediaLuminescenceClassification": "Classification",
    "WikipediaOrganicInorganicClassification": "Classification",
    "WikipediaSaltsSemiconductorsClassification": "Classification",
    "WikipediaSolidStateColloidalClassification": "Classification",
    "WikipediaTheoreticalAppliedClassification": "Classification",
    "WikipediaChemistryTopicsClustering": "Clustering",
    "WikipediaSpecialtiesInChemistryClustering": "Clustering",
}
FINANCE_TASKS = {
    "FinanceBenchRetrieval": "Retrieval",
    "FinQARetrieval": "Retrieval",
    "HC3FinanceRetrieval": "Retrieval",
    "NanoFiQA2018Retrieval": "Retrieval",
    "FiQA2018": "Retrieval",
    "FinancialPhrasebankClassification.v2": "Classification",
    "Banking77Classification.v2": "Classification",
}


@dataclass(frozen=True)
class Listed:
    """A task as it stands in a list: its name, mteb's task type, a word for people."""

    name: str
    kind: str
    label: str


@dataclass(frozen=True)
class Group:
    """Tasks that belong together. `local`: they need no network."""

    key: str
    label: str
    local: bool
    tasks: tuple[Listed, ...]


def _listed(tasks: dict[str, str]) -> tuple[Listed, ...]:
    return tuple(Listed(name, kind, name) for name, kind in tasks.items())


GROUPS = (
    Group(
        "starter",
        "Starter collections",
        True,
        tuple(Listed(f"{STARTER_PREFIX}{d}", "Retrieval", STARTER_LABELS[d]) for d in STARTER_DOMAINS),
    ),
    Group("chemteb", CHEMTEB, False, _listed(CHEMTEB_TASKS)),
    Group("finance", "Finance in mteb", False, _listed(FINANCE_TASKS)),
    Group(
        "finmteb",
        "FinMTEB, English",
        False,
        tuple(Listed(f"{FINMTEB_PREFIX}{name}", found.kind, name) for name, found in SETS.items()),
    ),
)


@dataclass(frozen=True)
class BenchmarkTask:
    """A task that can be run.

    Attributes:
        name: as it stands in results.
        kind: mteb's task type; empty where only mteb knows it.
        make: gives a new mteb task object.
        local: the collection behind it, where it is on this machine.
    """

    name: str
    kind: str
    make: Callable[[], AbsTask]
    local: RetrievalTask | None = None


def find_tasks(names: Iterable[str]) -> tuple[BenchmarkTask, ...]:
    """The tasks that some names stand for, each once, in their order.

    A name is `starter:chemistry` (or `chemistry`), `ontology:chebi`, a BEIR folder, `finmteb:FinSTS`, any task of
    mteb, or the key of a group (`starter`, `chemteb`, `finance`, `finmteb`) for all of its tasks.

    Raises:
        GapruneError: for no name at all, for one that is unknown (with the nearest ones), for a folder that cannot be
            read.
    """
    groups = {group.key: [task.name for task in group.tasks] for group in GROUPS}
    single = [one for name in names for one in groups.get(name.strip().casefold(), [name.strip()]) if one]
    if not single:
        raise GapruneError("No task is chosen.", "Choose at least one; `gaprune-viz benchmark --list` names them.")
    found: dict[str, BenchmarkTask] = {}
    for name in single:
        task = _find(name)
        found.setdefault(task.name, task)
    return tuple(found.values())


def _find(name: str) -> BenchmarkTask:
    prefix, _, rest = name.partition(":")
    prefix = prefix.casefold() + ":"
    if name in STARTER_DOMAINS or (prefix == STARTER_PREFIX and rest in STARTER_DOMAINS):
        domain = rest or name
        return of_collection(load_task(domain), f"{STARTER_PREFIX}{domain}")
    if prefix == FINMTEB_PREFIX and rest in SETS:
        return BenchmarkTask(f"{FINMTEB_PREFIX}{rest}", SETS[rest].kind, lambda: finmteb_task(rest))
    if prefix == ONTOLOGY_PREFIX:
        return of_collection(load_task(name), name)
    if is_path(name):
        return of_collection(load_task(name))
    return _of_mteb(name)


def is_path(name: str) -> bool:
    """Whether a name stands for a folder or an archive on this machine, and for no task of mteb."""
    place = named(task_source(name)[0])
    return "/" in name or "\\" in name or name.startswith("~") or place.is_dir() or is_archive(place)


def of_collection(task: RetrievalTask, name: str = "") -> BenchmarkTask:
    """A retrieval task of ours."""
    from gaprune_viz.evaluation.mteb.local import mteb_task

    return BenchmarkTask(name or task.name, "Retrieval", lambda: mteb_task(task), task)


def _of_mteb(name: str) -> BenchmarkTask:
    import mteb

    try:
        metadata = mteb.get_task(name).metadata
    except KeyError as error:
        raise GapruneError(f"There is no task {name!r}.", _nearest(name, _names_of_mteb())) from error
    if metadata.modalities != ["text"]:
        raise GapruneError(f"The task {name} is not of texts alone.", "Choose a task of texts.")
    return BenchmarkTask(name, metadata.type, lambda: mteb.get_task(name))


@cache
def _names_of_mteb() -> tuple[str, ...]:
    import mteb

    return tuple(task.metadata.name for task in mteb.get_tasks(exclude_superseded=False))


def _nearest(name: str, mtebs: Iterable[str]) -> str:
    """What a person may have meant: the listed tasks come first."""
    listed = [task.name for group in GROUPS for task in group.tasks]
    spelled = {key.casefold(): key for key in [*mtebs, *listed]}
    spelled |= {key.partition(":")[2].casefold(): key for key in listed if ":" in key}
    close = [spelled[key] for key in difflib.get_close_matches(name.casefold(), spelled, n=5, cutoff=0.6)]
    close = list(dict.fromkeys(close))[:3]
    if not close:
        return "`gaprune-viz benchmark --list` names the tasks."
    return f"Did you mean {' or '.join(close)}?"
