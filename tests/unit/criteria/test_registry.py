"""The registry of criteria: what each says of itself, what may be added, and plug-ins."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gaprune_viz.config import Allocation, MaskSpec, ScoreSpec, Settings
from gaprune_viz.criteria import registry
from gaprune_viz.criteria.criterion import Criterion
from gaprune_viz.criteria.registry import CRITERIA, ENTRY_POINT_GROUP, criteria, criterion, register, settled
from gaprune_viz.errors import GapruneError
from tests.unit.criteria.weights import PAPER, one


@pytest.fixture
def restored() -> Iterator[None]:
    """The registry and the loaded plug-ins as they were, once the test is over."""
    before = dict(CRITERIA)
    registry._plug_ins.cache_clear()
    yield
    CRITERIA.clear()
    CRITERIA.update(before)
    registry._plug_ins.cache_clear()


def test_unknown_criterion_names_the_nearest() -> None:
    with pytest.raises(GapruneError) as error:
        criterion("magnitud")
    assert "magnitude" in error.value.hint
    with pytest.raises(GapruneError, match="Criteria are: dai, "):
        criterion("zzzz")


def test_the_registry_describes_every_criterion() -> None:
    for name, chosen in criteria().items():
        assert chosen.name == name
        assert chosen.label
        assert chosen.formula
        assert chosen.source
        assert chosen.removes
        assert chosen.needs


def inverse(name: str = "inverse") -> Criterion:
    return Criterion(name, "Inverse", r"-|\theta|", ("theta",), "a test", lambda w, s: -w.theta.abs())


@pytest.mark.usefixtures("restored")
def test_register_adds_and_refuses_clashes_and_wrong_types() -> None:
    mine = register(inverse())
    assert criterion("inverse") is mine
    assert register(mine) is mine
    assert mine.removes == "the weights that Inverse scores lowest"
    with pytest.raises(GapruneError, match="another criterion"):
        register(inverse())
    with pytest.raises(GapruneError, match="is of type function, not Criterion"):
        register(inverse)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("change", "match"),
    [({"name": "Bad name"}, "cannot be named"), ({"needs": ("hessian",)}, "hessian"), ({"uses": ("delta",)}, "delta")],
)
def test_a_criterion_is_checked_when_it_is_made(change: dict, match: str) -> None:
    with pytest.raises(GapruneError, match=match):
        replace(inverse(), **change)


def install(folder: Path, entry: str, body: str) -> None:
    """An installed package `gaprune_plugged`, as pip would leave it, with one criterion entry point."""
    (folder / "gaprune_plugged.py").write_text(body)
    info = folder / "gaprune_plugged-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gaprune-plugged\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\n{entry}\n")


PLUGGED = """
from gaprune_viz import Criterion
cubed = Criterion("cubed", "Cubed", "x^3", ("theta",), "plug-in", lambda w, s: w.theta.abs() ** 3)
clash = Criterion("magnitude", "Mine", "x", ("theta",), "plug-in", lambda w, s: w.theta)
wrong = 42
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restored: None) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "gaprune_plugged", raising=False)
    importlib.invalidate_caches()
    return tmp_path


def test_a_plug_in_is_found_by_its_entry_point(site: Path) -> None:
    install(site, "cubed = gaprune_plugged:cubed", PLUGGED)
    assert criterion("cubed").score(one(theta=-2.0), PAPER).item() == 8.0
    assert "cubed" in criteria()
    assert list(criteria())[:2] == ["dai", "dai_released"]


@pytest.mark.parametrize(
    ("entry", "match"),
    [
        ("a = gaprune_plugged:clash", "another criterion"),
        ("a = gaprune_plugged:wrong", "is of type int, not Criterion"),
        ("a = gaprune_plugged:absent", "cannot be loaded"),
        ("a = gaprune_plugged_absent:x", "cannot be loaded"),
    ],
)
def test_a_broken_plug_in_is_named(site: Path, entry: str, match: str) -> None:
    install(site, entry, PLUGGED)
    with pytest.raises(GapruneError, match=match) as error:
        criteria()
    assert "gaprune_plugged" in error.value.message
    assert criterion("dai").name == "dai"


def test_a_criterion_is_compared_in_the_group_of_its_authors_unless_another_is_asked_for() -> None:
    groups = {c.name: c.group for c in criteria().values()}
    own = {"wanda": Allocation.ROW, "sparsegpt": Allocation.MATRIX}
    assert groups == {name: own.get(name, Allocation.GLOBAL) for name in groups}
    wanda = Settings(score=ScoreSpec(criterion="wanda"))
    assert settled(wanda).mask.allocation is Allocation.ROW
    asked = wanda.with_(mask=MaskSpec(allocation=Allocation.LAYER))
    assert settled(asked) is asked
    assert settled(Settings()).mask.allocation is Allocation.GLOBAL
