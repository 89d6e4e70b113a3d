"""Several sources of a side: what a person may write, and each thing that can be wrong with it, in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gaprune_viz.config import CalibrationSpec, Fisher
from gaprune_viz.data.sources.naming import Source, places_of, sides_of, sources_of, written
from gaprune_viz.data.sources.overlap import refuse_overlap
from gaprune_viz.data.triplets import calibration_samples, calibration_sources
from gaprune_viz.errors import GapruneError
from tests.conftest import DOMAIN_TRIPLETS, GENERAL_TRIPLETS, write_triplets


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("finance", [("", "finance", None)]),
        ("finance + chemistry", [("", "finance", None), ("", "chemistry", None)]),
        ("f=finance@0.3 + c=chemistry@.7", [("f", "finance", 0.3), ("c", "chemistry", 0.7)]),
        ("hub:org/name:config:train[:50%]@2", [("", "hub:org/name:config:train[:50%]", 2.0)]),
        ("a=upload:TOKEN/x=1.csv@1e-3", [("a", "upload:TOKEN/x=1.csv", 0.001)]),
        ("upload:TOKEN/x=1.csv", [("", "upload:TOKEN/x=1.csv", None)]),
        ("me@home.csv", [("", "me@home.csv", None)]),
        ("a+b.csv", [("", "a+b.csv", None)]),
    ],
)
def test_what_may_be_written(text: str, expected: list[tuple[str, str, float | None]]) -> None:
    assert [(s.name, s.place, s.weight) for s in sources_of(text)] == expected


def test_a_path_that_is_there_is_read_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("x=1", "a + b.csv", "data@2"):
        Path(name).touch()
        assert sources_of(name) == (Source("", name),)
    assert sources_of("n=data@2@0.5") == (Source("n", "data@2", 0.5),)


def test_what_was_read_is_written_again() -> None:
    spec = CalibrationSpec(domain="finance@1 + other=chemistry@3")
    text = written(sides_of(spec)["domain"])
    assert text == "finance=finance@1 + other=chemistry@3"
    assert sides_of(spec.with_(domain=text))["domain"] == sides_of(spec)["domain"]


def test_names_and_their_order() -> None:
    sides = sides_of(CalibrationSpec(domain="finance + data/a.b.jsonl.gz + hub:org/my-set:c:train", general="general"))
    assert [s.name for s in sides["domain"]] == ["a", "finance", "my-set"]
    assert [s.name for s in sides["general"]] == ["general"]
    # One source on each side: the sides are told apart, and may be of one text.
    plain = sides_of(CalibrationSpec(domain="general", general="general"))
    assert [s.name for side in plain.values() for s in side] == ["domain", "general"]
    assert places_of(CalibrationSpec(domain="b=finance + a=chemistry")) == ("chemistry", "finance", "general")


@pytest.mark.parametrize(
    ("domain", "said"),
    [
        ("finance + finance", "2 sources are named 'finance'"),
        ("general + finance", "2 sources are named 'general'"),
        ("a=finance@0 + b=chemistry@1", "The weight of source 'a=finance' is 0"),
        ("finance@-1", "The weight of source 'finance' is -1"),
        ("finance@nan", "is nan"),
        ("finance@1e999", "is 1e999"),
        ("a=finance@1 + b=chemistry", "The domain source 'b' has no weight, and 'a' has one"),
        ("../../etc=finance", "'../../etc' is no name of a source"),
        ("a/b=finance", "'a/b' is no name of a source"),
        (".=finance", "'.' is no name of a source"),
        ("a=finance +  + chemistry", "A source is empty"),
        ("a= + b=finance", "A source is empty"),
        (" + ".join(f"s{i}=finance" for i in range(16)), "17 sources are too many"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(domain: str, said: str) -> None:
    with pytest.raises(GapruneError) as error:
        sides_of(CalibrationSpec(domain=domain))
    assert said in str(error.value)
    assert error.value.hint and "\n" not in str(error.value)


@pytest.fixture
def parts(tmp_path: Path) -> Callable[..., CalibrationSpec]:
    """A run whose domain is cut into files of so many triplets."""

    def cut(*bounds: tuple[int, int]) -> CalibrationSpec:
        files = [write_triplets(tmp_path / f"d{n}.jsonl", DOMAIN_TRIPLETS[a:b]) for n, (a, b) in enumerate(bounds)]
        general = write_triplets(tmp_path / "general.jsonl", GENERAL_TRIPLETS)
        return CalibrationSpec(domain=" + ".join(map(str, files)), general=str(general))

    return cut


def test_a_side_is_all_its_sources(parts: Callable[..., CalibrationSpec]) -> None:
    spec = parts((0, 5), (5, 12))
    found = calibration_samples(spec, "domain")
    assert found.name == "d0 + d1"
    assert len(found.samples) == found.report.kept == 12
    whole = parts((0, 12))
    assert found.samples == calibration_samples(whole, "domain").samples
    assert found.content_hash != calibration_samples(whole, "domain").content_hash


def test_shared_texts_are_refused(parts: Callable[..., CalibrationSpec]) -> None:
    spec = parts((0, 7), (5, 12))
    read = {source.name: data for source, data in calibration_sources(spec, "domain")}
    with pytest.raises(GapruneError, match="The sources d0 and d1 share 2 of 7 and 7 different texts, such as 'carbon"):
        refuse_overlap(read)
    same = parts((0, 6), (0, 6))
    with pytest.raises(GapruneError, match="d0 and d1 hold the same texts"):
        refuse_overlap({source.name: data for source, data in calibration_sources(same, "domain")})
    apart = parts((0, 6), (6, 12))
    refuse_overlap({source.name: data for source, data in calibration_sources(apart, "domain")})


def test_a_source_too_small_is_refused(parts: Callable[..., CalibrationSpec]) -> None:
    with pytest.raises(GapruneError, match="The source d1 has 3 samples; at least 4 are needed"):
        calibration_samples(parts((0, 9), (9, 12)), "domain")
    # As ever where it is the only one.
    assert len(calibration_samples(parts((9, 12)), "domain").samples) == 3


def test_sources_of_one_side_are_of_one_kind(parts: Callable[..., CalibrationSpec], tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("".join(f"a text of number {n}\n" for n in range(6)), encoding="utf-8")
    spec = parts((0, 6)).with_(fisher=Fisher.EMBEDDING)
    mixed = spec.with_(domain=f"{spec.domain} + {tmp_path / 'plain.txt'}")
    with pytest.raises(GapruneError, match="plain holds plain texts, and other sources of its side hold triplets"):
        calibration_samples(mixed, "domain")
