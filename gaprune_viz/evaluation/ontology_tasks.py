"""Retrieval tasks from ontologies: find the definition that a term belongs to, among those of its siblings.

Terms of calibration classes are never in them: `data.ontologies` splits by parent class.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from gaprune_viz.data.ontologies import ONTOLOGIES, OntologyTerm, ontology_corpus, parent_split
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.tasks import Passage, RetrievalTask

PREFIX = "ontology:"
DEFAULT_PASSAGES = 1_000
LEAST_PASSAGES = 20


def ontology_task(source: str, *, validation: bool = False) -> RetrievalTask:
    """The task behind `ontology:chebi` or `ontology:mondo:800`; the number says about how many passages.

    Parent classes are taken whole, in the order of a hash of their id, until there are that many passages. Every
    passage is asked for once, by its label.

    Args:
        validation: the same from the other end of that order, without the classes of the test task: the two share no
            class, and of a large task the validation part is the smaller one.

    Raises:
        GapruneError: a form or an ontology that is not known, the package is not installed, or the test task leaves
            too few passages for a validation task.
    """
    match = re.fullmatch(r"ontology:([A-Za-z]+)(?::(\d{1,6}))?", source)
    if match is None or (match[2] is not None and int(match[2]) < LEAST_PASSAGES):
        raise GapruneError(
            f"{source[:80]!r} is not an ontology task.",
            f"Write {' or '.join(PREFIX + name for name in ONTOLOGIES)}, or with a number of passages "
            f"({LEAST_PASSAGES} or more), such as ontology:chebi:800.",
        )
    wanted = int(match[2] or DEFAULT_PASSAGES)
    terms = _whole_classes(match[1].lower(), wanted, validation)
    return RetrievalTask.of(
        f"{match[1].lower()} ({len(terms):,} terms{', validation' if validation else ''})",
        (Passage(t.id, t.definition, t.label, t.parent, title_is_searched=False) for t in terms),
        {f"{t.id}-q": t.label for t in terms},
        {f"{t.id}-q": {t.id: 1} for t in terms},
    )


def _whole_classes(name: str, wanted: int, validation: bool) -> list[OntologyTerm]:
    classes: dict[str, list[OntologyTerm]] = defaultdict(list)
    for term in ontology_corpus(name):
        if parent_split(term.parent) == "evaluation":
            classes[term.parent].append(term)
    order = sorted(classes, key=lambda parent: hashlib.sha256(f"task {parent}".encode()).digest())
    test = _first(classes, order, wanted)
    if not validation:
        return test
    tested = {term.parent for term in test}
    found = _first(classes, [parent for parent in reversed(order) if parent not in tested], wanted)
    if len(found) < LEAST_PASSAGES:
        there = sum(map(len, classes.values()))
        raise GapruneError(
            f"{PREFIX}{name}:{wanted} leaves {len(found)} of {there:,} passages to choose settings on, not "
            f"{LEAST_PASSAGES}: the test task has the others.",
            f"Ask for fewer, such as {PREFIX}{name}:{there // 2}.",
        )
    return found


def _first(classes: Mapping[str, list[OntologyTerm]], order: Iterable[str], wanted: int) -> list[OntologyTerm]:
    """Whole classes in some order, until there are as many terms."""
    chosen: list[OntologyTerm] = []
    for parent in order:
        if len(chosen) >= wanted:
            break
        chosen += classes[parent]
    return chosen
