"""Retrieval tasks from ontologies: find the definition that a term belongs to, among those of its siblings.

Terms of calibration classes are never in them: `data.ontologies` splits by parent class.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict

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
        validation: the same from the other end of that order, so that a test and a validation task share no class
            (as long as both together ask for fewer passages than there are).

    Raises:
        GapruneError: a form or an ontology that is not known, or the package is not installed.
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


def _whole_classes(name: str, wanted: int, from_the_end: bool) -> list[OntologyTerm]:
    classes: dict[str, list[OntologyTerm]] = defaultdict(list)
    for term in ontology_corpus(name):
        if parent_split(term.parent) == "evaluation":
            classes[term.parent].append(term)
    chosen: list[OntologyTerm] = []
    order = sorted(classes, key=lambda parent: hashlib.sha256(f"task {parent}".encode()).digest())
    for parent in reversed(order) if from_the_end else order:
        if len(chosen) >= wanted:
            break
        chosen += classes[parent]
    return chosen
