"""The criteria: hand-worked scores, terms that add up, the registry and its plug-ins."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.config import Alignment, Allocation, MaskSpec, ScoreSpec, Settings
from gaprune_viz.criteria import registry
from gaprune_viz.criteria.counter_random import uniform
from gaprune_viz.criteria.criterion import STATISTICS, Criterion, ResolvedScore, WeightStatistics
from gaprune_viz.criteria.registry import CRITERIA, ENTRY_POINT_GROUP, criteria, criterion, register, settled
from gaprune_viz.criteria.scoring import alignment_of, auto_kappa, resolve, score_weights, terms_of
from gaprune_viz.errors import GapruneError

PAPER = ResolvedScore()


def one(**values: float) -> WeightStatistics:
    """One weight with known statistics."""
    given_values = {
        "theta": -0.25,
        "fisher_domain": 0.5,
        "fisher_general": 0.125,
        "alignment": -1.0,
        "grad_domain": 0.5,
        "act_domain": 3.0,
        "source_agreement": 0.5,
        "source_least": 0.25,
        "source_mean": 2.0,
        "source_spread": 0.5,
        **values,
    }
    return WeightStatistics(**{name: torch.tensor([value]) for name, value in given_values.items()})


def some(rows: int, columns: int, seed: int = 0) -> WeightStatistics:
    """A matrix [rows, columns] of random statistics."""
    g = torch.Generator().manual_seed(seed)
    shape = (rows, columns)
    return WeightStatistics(
        theta=torch.randn(shape, generator=g),
        fisher_domain=torch.rand(shape, generator=g),
        fisher_general=torch.rand(shape, generator=g),
        alignment=torch.rand(shape, generator=g) * 2 - 1,
        grad_domain=torch.randn(shape, generator=g),
        act_domain=torch.rand(columns, generator=g),
        source_agreement=torch.rand(shape, generator=g),
        source_least=torch.rand(shape, generator=g),
        source_mean=torch.rand(shape, generator=g),
        source_spread=torch.rand(shape, generator=g),
        matrix_index=3,
    )


@pytest.fixture
def restored() -> Iterator[None]:
    """The registry and the loaded plug-ins as they were, once the test is over."""
    before = dict(CRITERIA)
    registry._plug_ins.cache_clear()
    yield
    CRITERIA.clear()
    CRITERIA.update(before)
    registry._plug_ins.cache_clear()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # ((0.5 - 0.125) * 0.25 + 0.5 * 0.5) * (1 - 0.2)
        ("dai", 0.275),
        # softplus(0.375 * 0.25 * 0.8 + 0.5 * sqrt(0.25 + 1e-8))
        ("dai_released", math.log1p(math.exp(0.075 + 0.5 * math.sqrt(0.25 + 1e-8)))),
        ("magnitude", 0.25),
        ("fisher_domain", 0.5),
        ("fisher_general", 0.125),
        ("taylor_domain", 0.125),
        ("obd_domain", 0.5 / 16),
        ("obd_joint", 0.625 / 16),
        ("wanda", 0.75),
        ("sparsegpt", 0.5625),
        ("gga", 0.5 + 0.2 / 16),
        ("dsp", (2 - 0.5) / 16),
        ("fisher_worst", 0.25),
    ],
)
def test_scores_by_hand(name: str, expected: float) -> None:
    assert score_weights(criterion(name), one(), PAPER).item() == pytest.approx(expected, rel=1e-6)


def test_dai_with_scale_and_power() -> None:
    numbers = ResolvedScore(alpha=0.5, beta=0.5, gamma=2.0, kappa=8.0, power=0.5)
    weight = one(fisher_domain=0.25, fisher_general=0.0625)
    # (8 * (0.5 - 0.5 * 0.25) * 0.25 + 2 * 0.5) * (1 - 0.5) = 0.875
    assert score_weights(criterion("dai"), weight, numbers).item() == pytest.approx(0.875)


def test_released_code_ignores_scale_and_power_and_fixes_its_alignment() -> None:
    released = criterion("dai_released")
    plain = score_weights(released, one(), PAPER)
    assert torch.equal(plain, score_weights(released, one(), replace(PAPER, kappa=9.0, power=0.5)))
    assert not {"fisher_scale", "fisher_power", "alignment"} & set(released.uses)
    spec = ScoreSpec(alignment=Alignment.ROW)
    assert alignment_of(released, spec) is Alignment.UNIT_PRODUCT
    assert alignment_of(criterion("dai"), spec) is Alignment.ROW


KNOB_CHANGES = {
    "alpha": {"alpha": 0.9},
    "beta": {"beta": 0.3},
    "gamma": {"gamma": 1.5},
    "fisher_scale": {"kappa": 7.0},
    "fisher_power": {"power": 0.5},
    "seed": {"seed": 5},
}


@pytest.mark.parametrize("name", list(CRITERIA))
@pytest.mark.parametrize("knob", list(KNOB_CHANGES))
def test_uses_lists_exactly_the_knobs_that_change_the_scores(name: str, knob: str) -> None:
    chosen, weights = criterion(name), some(4, 6)
    changed = not torch.equal(
        score_weights(chosen, weights, PAPER), score_weights(chosen, weights, replace(PAPER, **KNOB_CHANGES[knob]))
    )
    assert changed == (knob in chosen.uses)


@pytest.mark.parametrize("name", list(CRITERIA))
def test_a_sample_gets_the_scores_of_the_whole_matrix(name: str) -> None:
    chosen, whole = criterion(name), some(7, 9)
    full = score_weights(chosen, whole, PAPER)
    assert full.shape == (7, 9)
    assert full.dtype == torch.float32
    index = torch.tensor([0, 5, 17, 62])
    sample = WeightStatistics(
        **{field: getattr(whole, field).broadcast_to(7, 9).reshape(-1)[index] for field in STATISTICS},
        flat_index=index,
        matrix_index=torch.full((4,), 3),
    )
    assert torch.allclose(score_weights(chosen, sample, PAPER), full.reshape(-1)[index], rtol=1e-6, atol=0)
    picked = whole.at(1, 8)
    assert score_weights(chosen, picked, PAPER).item() == pytest.approx(full[1, 8].item(), rel=1e-6)


@pytest.mark.parametrize("name", list(CRITERIA))
def test_needs_lists_exactly_the_statistics_that_are_read(name: str) -> None:
    chosen, whole = criterion(name), some(3, 4)
    only = WeightStatistics(**{need: getattr(whole, need) for need in chosen.needs}, matrix_index=3)
    assert torch.equal(score_weights(chosen, only, PAPER), score_weights(chosen, whole, PAPER))
    for need in chosen.needs:
        with pytest.raises(GapruneError, match=f"needs {need}, which is not in this run"):
            score_weights(chosen, replace(whole, **{need: None}), PAPER)
        with pytest.raises(GapruneError, match=need):
            terms_of(chosen, replace(whole, **{need: None}), PAPER)


@given(
    seed=st.integers(0, 1000),
    alpha=st.floats(0, 1),
    beta=st.floats(0, 2),
    gamma=st.floats(0, 4),
    kappa=st.floats(0, 1e6),
    power=st.sampled_from([1.0, 0.5]),
)
def test_terms_add_up(seed: int, alpha: float, beta: float, gamma: float, kappa: float, power: float) -> None:
    numbers = ResolvedScore(alpha=alpha, beta=beta, gamma=gamma, kappa=kappa, power=power)
    weights = some(5, 5, seed)
    for name in ("dai", "dai_released"):
        terms = terms_of(criterion(name), weights, numbers)
        total = torch.stack([term.double() for term in terms.values()]).sum(0)
        expected = score_weights(criterion(name), weights, numbers).double()
        size = torch.stack([term.abs() for term in terms.values()]).max().item()
        got = torch.nn.functional.softplus(total) if name == "dai_released" else total
        assert torch.allclose(got, expected, rtol=1e-5, atol=1e-6 * max(size, 1.0))


def test_a_criterion_without_terms_is_its_own_term() -> None:
    assert list(terms_of(criterion("wanda"), one(), PAPER)) == ["wanda"]
    assert list(terms_of(criterion("dai"), one(), PAPER)) == [
        "fisher_domain",
        "fisher_general",
        "magnitude",
        "alignment",
    ]


def splitmix64(seed: int, matrix: int, index: int) -> float:
    """The same random number in Python's unbounded integers."""
    mask, state = (1 << 64) - 1, 0
    for value in (seed, matrix, index):
        z = ((state ^ value) + 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        state = z ^ (z >> 31)
    return (state >> 40) / 2**24


@given(st.integers(0, 2**31 - 1), st.integers(0, 5000), st.lists(st.integers(0, 2**33), min_size=1, max_size=8))
def test_random_is_a_pure_function_of_seed_matrix_and_position(seed: int, matrix: int, index: list[int]) -> None:
    got = uniform(seed, matrix, torch.tensor(index))
    assert got.tolist() == [splitmix64(seed, matrix, i) for i in index]
    assert torch.equal(got, uniform(seed, torch.full((len(index),), matrix), torch.tensor(index)))


def test_random_beyond_one_block() -> None:
    index = torch.arange(200_000).view(400, 500)
    whole = uniform(7, 2, index)
    assert whole.shape == index.shape
    for row, column in ((0, 0), (131, 71), (399, 499)):
        assert whole[row, column].item() == splitmix64(7, 2, row * 500 + column)


def test_random_is_uniform_and_differs_between_seeds_and_matrices() -> None:
    index = torch.arange(200_000)
    base = uniform(0, 0, index)
    counts = np.histogram(base.numpy(), bins=20, range=(0, 1))[0]
    # chi-square of 19 degrees of freedom: 0.999 quantile 43.8
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 43.8
    for other in (uniform(1, 0, index), uniform(0, 1, index), base.roll(1)):
        assert abs(np.corrcoef(base.numpy(), other.numpy())[0, 1]) < 0.01


def test_random_of_a_sample_needs_positions() -> None:
    with pytest.raises(ValueError, match="flat index"):
        score_weights(criterion("random"), WeightStatistics(theta=torch.ones(3)), PAPER)


def test_resolve_and_auto_kappa() -> None:
    assert auto_kappa(0.2, 1e-6) == pytest.approx(2e5)
    assert resolve(ScoreSpec(fisher_scale="auto", fisher_power=0.5, seed=4), 12.5) == ResolvedScore(
        kappa=12.5, power=0.5, seed=4
    )
    assert resolve(ScoreSpec(fisher_scale=3), 12.5).kappa == 3.0
    for median in (0.0, math.nan):
        with pytest.raises(GapruneError, match="κ auto has no value"):
            auto_kappa(0.2, median)


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


def test_a_negative_beta_adds_what_a_positive_one_takes_away() -> None:
    weight = one(theta=-0.25, fisher_domain=0.5, fisher_general=0.125, alignment=0.0)
    dai = criterion("dai")
    scores = {beta: float(score_weights(dai, weight, replace(PAPER, beta=beta))) for beta in (-1.0, 0.0, 1.0)}
    assert scores[-1.0] - scores[0.0] == pytest.approx(0.125 * 0.25)
    assert scores[0.0] - scores[1.0] == pytest.approx(0.125 * 0.25)
