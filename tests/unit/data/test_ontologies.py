"""Ontology terms as triplets: the grouping on a small ontology, and the real ones where they are installed."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from gaprune_viz.data.ontologies import group_terms, ontology_corpus, ontology_triplets, parent_split
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.errors import GapruneError

pytestmark = pytest.mark.slow


def term(label: str, *parents: str, words: int = 12, **more: object) -> dict[str, Any]:
    definition = f"About {label}: " + " ".join(f"word{number}" for number in range(words))
    return {
        "label": label,
        "description": definition,
        "ancestors": {**dict.fromkeys(parents, 1), "X:root": 2},
        "deprecated": False,
        **more,
    }


def test_what_is_left_out() -> None:
    terms = {
        "X:1": term("one", "X:a"),
        "X:2": term("two", "X:a"),
        "X:3": term("obsolete", "X:a", deprecated=True),
        "X:4": term("short", "X:a", words=3),
        "X:5": {"label": "undefined", "ancestors": {"X:a": 1}, "deprecated": False},
        "X:6": term("2,4-dimethyl(R)", "X:a"),
        "X:7": term("alone", "X:b"),
        "X:8": term("ONE", "X:a"),
        "X:9": term("grandchild"),
    }
    assert [entry.label for entry in group_terms(terms)] == ["one", "two"]


def test_markup_is_taken_off() -> None:
    text = "A <small>D</small>-sugar &amp; its  <em>N</em>-acid (Ki &lt; 10) " + "word " * 12
    found = group_terms({"X:1": term("one", "X:a", description=text), "X:2": term("two", "X:a")})
    assert found[0].definition.startswith("A D-sugar & its N-acid (Ki < 10) word word")


def test_smallest_common_class_and_order_by_number() -> None:
    terms = {f"X:{number}": term(f"name {chr(96 + number)}", "X:big") for number in range(1, 6)}
    terms["X:11"] = term("eleven", "X:big", "X:small")
    terms["X:9"] = term("nine", "X:big", "X:small")
    found = group_terms(terms)
    assert [(entry.id, entry.parent) for entry in found if entry.parent == "X:small"] == [
        ("X:9", "X:small"),
        ("X:11", "X:small"),
    ]
    assert len(found) == 7


def test_a_term_whose_siblings_went_elsewhere_joins_another_class() -> None:
    terms = {
        "X:1": term("one", "X:a"),
        "X:2": term("two", "X:a"),
        "X:3": term("three", "X:a", "X:b"),
        "X:4": term("four", "X:b", "X:c"),
        "X:5": term("five", "X:a", "X:c"),
        "X:6": term("six", "X:b", "X:c"),
    }
    found = group_terms(terms)
    # The classes b and c are equally small, so all but five go to b; five would be alone in c.
    assert {entry.label: entry.parent for entry in found if entry.label in ("four", "five")} == {
        "four": "X:b",
        "five": "X:a",
    }
    sizes = {entry.parent: sum(other.parent == entry.parent for other in found) for entry in found}
    assert len(found) == 6
    assert min(sizes.values()) >= 2


def test_the_order_of_the_source_does_not_matter() -> None:
    terms = {
        f"X:{number}": term(f"t{'abcdefgh'[number]}", f"X:{'pqr'[number % 3]}", f"X:{'uv'[number % 2]}")
        for number in range(8)
    }
    assert group_terms(terms) == group_terms(dict(reversed(terms.items())))
    assert len(group_terms(terms)) == 8


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cellxgene_ontology_guide", None)
    monkeypatch.setitem(sys.modules, "cellxgene_ontology_guide.supported_versions", None)
    ontology_corpus.cache_clear()
    with pytest.raises(GapruneError) as caught:
        load_triplets("ontology:chebi")
    assert "pip install 'gaprune-viz[ontologies]'" in caught.value.hint


def test_unknown_ontology() -> None:
    with pytest.raises(GapruneError, match="chebi, mondo"):
        load_triplets("ontology:go")


@pytest.mark.parametrize(("name", "at_least"), [("chebi", 12_000), ("mondo", 8_000)])
def test_the_real_ones(name: str, at_least: int) -> None:
    pytest.importorskip("cellxgene_ontology_guide")
    corpus = ontology_corpus(name)
    assert len(corpus) >= at_least
    assert (
        len({entry.label.casefold() for entry in corpus}) == len({entry.definition for entry in corpus}) == len(corpus)
    )
    assert not any("<em>" in entry.definition or "<small>" in entry.label for entry in corpus)

    parents = {entry.definition: entry.parent for entry in corpus}
    sides = {split: ontology_triplets(name, split) for split in ("calibration", "evaluation")}
    assert sum(map(len, sides.values())) == len(corpus)
    for split, triplets in sides.items():
        assert len(triplets) > at_least / 3
        for triplet in triplets:
            assert triplet.positive != triplet.negatives[0]
            assert parents[triplet.positive] == parents[triplet.negatives[0]]
            assert parent_split(parents[triplet.positive]) == split

    loaded = load_triplets(f"ontology:{name}")
    assert loaded.triplets == sides["calibration"]
    assert loaded.report.duplicates == 0
