"""Several sources on the command line: repeated flags, the table of how they agree, and one line for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Run
from tests.conftest import DOMAIN_TRIPLETS, GENERAL_TRIPLETS, write_triplets


@pytest.fixture
def flags(tiny_bert: Path, tmp_path: Path) -> tuple[object, ...]:
    """A model, and general data."""
    write_triplets(tmp_path / "a.jsonl", DOMAIN_TRIPLETS[:6])
    write_triplets(tmp_path / "b.jsonl", DOMAIN_TRIPLETS[6:])
    general = write_triplets(tmp_path / "general.jsonl", GENERAL_TRIPLETS)
    return "--model", tiny_bert, "--general", general, "--samples", 6, "--scope", "mlp"


def test_sources_are_run_shown_and_weighed_by_their_agreement(
    run: Run, flags: tuple[object, ...], tmp_path: Path
) -> None:
    domain = "--domain", tmp_path / "a.jsonl", "--domain", f"second={tmp_path / 'b.jsonl'}"
    told = run("analyze", *flags, *domain, "--out", tmp_path / "one")
    assert told.status == 0, told.err
    assert "12 of a + second" in told.out and "second" in told.out and "weight 0.500" in told.out
    table = run("sources", tmp_path / "one")
    assert table.status == 0 and "second" in table.out
    found = run("sources", tmp_path / "one", "--json").json()
    assert [(s["name"], s["side"], s["weight"]) for s in found["sources"]] == [
        ("a", "domain", 0.5),
        ("second", "domain", 0.5),
        ("general", "general", 1.0),
    ]
    assert len(found["cosines"]) == 3 and set(found["cosines_by_layer"]) == {"0", "1"}
    again = run(
        "analyze", *flags, *domain, "--source-weights", tmp_path / "one", "--out", tmp_path / "two", "--json"
    ).json()
    assert again["key"] != run("sources", tmp_path / "one", "--json").out
    wanted = [source["weight_by_alignment"] for source in found["sources"]]
    assert [source["weight"] for source in again["sources"]] == pytest.approx(wanted, rel=1e-4)
    pruned = run("prune", tmp_path / "two", "--criterion", "gga", "--out", tmp_path / "pruned", "--json").json()
    assert pruned["scope_sparsity"] == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize(
    ("domain", "said"),
    [
        (("a.jsonl", "a.jsonl"), "2 sources are named 'a'"),
        (("a.jsonl", "x=a.jsonl"), "The sources a and x hold the same texts"),
        (("a.jsonl", "x=all.jsonl"), "share 6 of 6 and 12 different texts"),
        (("a.jsonl", "x=general.jsonl"), "The sources x and general hold the same texts"),
        (("a.jsonl", "b.jsonl@0"), "is 0"),
        (("a.jsonl@0.5", "b.jsonl"), "The domain source 'b' has no weight"),
        (("a.jsonl", "small.jsonl"), "The source small has 3 samples"),
        (("a.jsonl", "../x=b.jsonl"), "'../x' is no name of a source"),
        (("a.jsonl", "none.jsonl"), "none.jsonl"),
    ],
)
def test_what_is_wrong_is_said_before_any_work(
    run: Run,
    flags: tuple[object, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    domain: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_triplets(tmp_path / "all.jsonl", DOMAIN_TRIPLETS)
    write_triplets(tmp_path / "small.jsonl", DOMAIN_TRIPLETS[9:])

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("gaprune_viz.analysis.making.load_model", refuse)
    monkeypatch.setattr("gaprune_viz.analysis.cost_estimate.load_model", refuse)
    for command in (("analyze", "--out", tmp_path / "out"), ("plan",)):
        line = run(*command, *flags, *(part for place in domain for part in ("--domain", place))).refusal()
        assert said in line
    assert not (tmp_path / "out").exists()


def test_weights_of_another_run_are_refused(run: Run, flags: tuple[object, ...], tiny_analysis: Path) -> None:
    line = run("analyze", *flags, "--source-weights", tiny_analysis, "--out", "x").refusal()
    assert "has one source, which weighs all" in line
