"""ChEBI and MONDO terms as triplets, from the optional package `cellxgene-ontology-guide`."""

from __future__ import annotations

import functools
import hashlib
import html
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from gaprune_viz.data.schema import Triplet
from gaprune_viz.errors import GapruneError

ONTOLOGIES = {"chebi": "CHEBI", "mondo": "MONDO"}
MIN_WORDS = 12
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_FORMULA = re.compile(r"[\d()\[\]{}]")


class OntologyTerm(NamedTuple):
    """A term with its definition and the parent class that it shares with at least one other term."""

    id: str
    label: str
    definition: str
    parent: str


@dataclass(frozen=True, slots=True)
class _Candidate:
    label: str
    definition: str
    parents: tuple[str, ...]


def parent_split(parent: str) -> str:
    """`calibration` or `evaluation`, by a hash of the parent class: all its terms fall on one side."""
    return "calibration" if hashlib.sha256(parent.encode()).digest()[0] % 2 == 0 else "evaluation"


@functools.lru_cache(maxsize=len(ONTOLOGIES))
def ontology_corpus(name: str) -> tuple[OntologyTerm, ...]:
    """The usable terms of `chebi` or `mondo`, sorted by parent and id; labels and definitions are unique.

    Usable: not obsolete, a name rather than a formula (no digits, no brackets), a definition of at least
    `MIN_WORDS` words, and at least one other usable term that was given the same parent.

    Raises:
        GapruneError: for an unknown name, or when the package is not installed.
    """
    return tuple(group_terms(_load_terms(name)))


def ontology_triplets(name: str, split: str = "calibration") -> tuple[Triplet, ...]:
    """(label, its definition, the next sibling's definition) for every usable term of one split.

    Raises:
        GapruneError: as `ontology_corpus`.
    """
    groups: dict[str, list[OntologyTerm]] = defaultdict(list)
    for term in ontology_corpus(name):
        if parent_split(term.parent) == split:
            groups[term.parent].append(term)
    return tuple(
        Triplet(term.label, term.definition, (group[(position + 1) % len(group)].definition,))
        for group in groups.values()
        for position, term in enumerate(group)
    )


def group_terms(terms: Mapping[str, Mapping[str, Any]]) -> list[OntologyTerm]:
    """Give every usable term one parent: the smallest class that it shares with another usable term.

    Args:
        terms: id -> entry with `label`, `description`, `deprecated` and `ancestors` ({id: distance}).
    """
    usable = _usable(terms)
    class_sizes = Counter(parent for entry in usable.values() for parent in entry.parents)
    chosen = {id_: _smallest(entry.parents, class_sizes) for id_, entry in usable.items()}
    members = Counter(chosen.values())
    for id_, entry in usable.items():
        # All its siblings may have found a smaller class elsewhere: join a class that is still alive.
        if members[chosen[id_]] == 1:
            others = [parent for parent in entry.parents if members[parent] > 1]
            members[chosen[id_]] -= 1
            chosen[id_] = _smallest(others, members)
            members[chosen[id_]] += 1
    grouped = (
        OntologyTerm(id_, entry.label, entry.definition, chosen[id_])
        for id_, entry in usable.items()
        if chosen[id_] and members[chosen[id_]] > 1
    )
    return sorted(grouped, key=lambda term: (term.parent, _numeric(term.id)))


def _usable(terms: Mapping[str, Mapping[str, Any]]) -> dict[str, _Candidate]:
    usable: dict[str, _Candidate] = {}
    labels: set[str] = set()
    definitions: set[str] = set()
    for id_ in sorted(terms, key=_numeric):
        entry = terms[id_]
        if entry.get("deprecated"):
            continue
        label, definition = _plain(entry.get("label") or ""), _plain(entry.get("description") or "")
        if not label or _FORMULA.search(label) or len(definition.split()) < MIN_WORDS:
            continue
        if label.casefold() in labels or definition.casefold() in definitions:
            continue
        labels.add(label.casefold())
        definitions.add(definition.casefold())
        parents = tuple(sorted(parent for parent, distance in entry["ancestors"].items() if distance == 1))
        usable[id_] = _Candidate(label, definition, parents)
    return usable


def _smallest(parents: Iterable[str], sizes: Mapping[str, int]) -> str:
    """The parent with the fewest, but at least two, members; the empty string where there is none."""
    return min(
        (parent for parent in parents if sizes[parent] > 1), key=lambda parent: (sizes[parent], parent), default=""
    )


def _numeric(id_: str) -> tuple[int, str]:
    """Sort key: ontologies number related terms in a row, so neighbours make the harder negatives."""
    digits = id_.rpartition(":")[2]
    return (int(digits) if digits.isdecimal() else -1, id_)


def _plain(text: str) -> str:
    """Text without markup such as <small>D</small> and without repeated blanks."""
    return " ".join(html.unescape(_TAG.sub("", text)).split())


def _load_terms(name: str) -> Mapping[str, Mapping[str, Any]]:
    if name not in ONTOLOGIES:
        raise GapruneError(f"There is no ontology {name!r}.", f"Ontologies are: {', '.join(ONTOLOGIES)}.")
    try:
        from cellxgene_ontology_guide.supported_versions import CXGSchema, clear_ontology_file_cache
    except ModuleNotFoundError as error:
        raise GapruneError(
            f"ontology:{name} needs the package cellxgene-ontology-guide, which is not installed.",
            "Install it with: pip install 'gaprune-viz[ontologies]'",
        ) from error
    try:
        terms = CXGSchema().ontology(ONTOLOGIES[name])
    except (ValueError, OSError) as error:
        raise GapruneError(
            f"The installed cellxgene-ontology-guide cannot give {ONTOLOGIES[name]}: {error}.",
            "Install it anew with: pip install -U 'gaprune-viz[ontologies]'",
        ) from error
    # The package would keep every parsed file for good; ChEBI alone takes most of a gigabyte.
    clear_ontology_file_cache()
    return terms
