"""Sentences about a mask say only what the numbers say."""

from __future__ import annotations

import dataclasses
import re
from math import isnan

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.config import Alignment, Allocation, MaskSpec, ScoreSpec
from gaprune_viz.criteria.criterion import ResolvedScore, WeightStatistics
from gaprune_viz.criteria.diagnostics import overlap, term_shares
from gaprune_viz.criteria.registry import CRITERIA, criterion
from gaprune_viz.criteria.scoring import auto_kappa, resolve, score_weights, terms_of
from gaprune_viz.masking.masks import make_masks, rank_of
from gaprune_viz.masking.sentences import TERM_LABELS, explain_weight, percent, plain_sentence


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (1 - 1e-15, "100 %"),
        (0.5, "50 %"),
        (0.2994, "29.9 %"),
        (0.99996, "more than 99.99 %"),
        (0.9999, "99.99 %"),
        (0.989996, "99 %"),
        (0.00001, "less than 0.01 %"),
        (0.0012, "0.12 %"),
        (1.3, "130 %"),
        (1.00001, "more than 100 %"),
        (12.0, "1200 %"),
    ],
)
def test_percent(fraction: float, text: str) -> None:
    assert percent(fraction) == text


@given(st.floats(0, 3))
def test_percent_never_claims_all_or_nothing_wrongly(fraction: float) -> None:
    text = percent(fraction)
    assert (text == "0 %") == (fraction == 0)
    if text == "100 %":
        assert fraction == pytest.approx(1.0, rel=1e-12)
    value = float(text.split()[-2])
    if text.startswith("more"):
        assert 100 * fraction > value
    elif text.startswith("less"):
        assert 100 * fraction < value
    else:
        assert value == pytest.approx(100 * fraction, abs=0.0501)


SCALES = st.sampled_from([0.0, 1.0, 1e3, 1e6, "auto"])


def statistics(seed: int, fisher: float) -> WeightStatistics:
    rng = np.random.default_rng(seed)

    def made(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(values.astype(np.float32))

    shape = (16, 32)
    grad = rng.standard_normal(shape) * 1e-4
    return WeightStatistics(
        theta=made(rng.standard_normal(shape) * 0.05),
        fisher_domain=made(fisher * rng.lognormal(0, 2, shape)),
        fisher_general=made(fisher * rng.lognormal(0, 2, shape)),
        alignment=made(np.sign(rng.standard_normal(shape))),
        grad_domain=made(grad),
        act_domain=made(rng.lognormal(0, 1, shape[1])),
        source_agreement=made(rng.integers(0, 3, shape) / 2),
        source_least=made(rng.lognormal(0, 2, shape)),
        source_mean=made(rng.lognormal(0, 2, shape)),
        source_spread=made(rng.lognormal(0, 2, shape)),
    )


def judged(
    name: str, score: ScoreSpec, mask: MaskSpec, weights: WeightStatistics
) -> tuple[str, dict[str, float], float, float]:
    """The sentence at some settings, and the numbers it was made of: shares, overlap, pruned fraction."""
    chosen = criterion(name)
    kappa = auto_kappa(
        float(weights.theta.abs().sqrt().median()),
        float((weights.fisher_domain**score.fisher_power * weights.theta.abs()).median()),
    )
    numbers = resolve(score, kappa)
    pruned, small = (
        ~make_masks({"w": score_weights(criterion(which), weights, numbers)}, {"w": 0}, mask).masks["w"]
        for which in (name, "magnitude")
    )
    shares = term_shares(terms_of(chosen, weights, numbers))
    shared, _ = overlap(pruned, small)
    fraction = float(pruned.float().mean())
    sentence = plain_sentence(
        chosen, score, mask, shares=shares, overlap_with_magnitude=shared, pruned_fraction=fraction
    )
    return sentence, shares, shared, fraction


score_specs = st.builds(
    ScoreSpec,
    alpha=st.sampled_from([0.0, 0.2, 1.0]),
    beta=st.sampled_from([0.0, 0.3, 1.0, 2.0]),
    gamma=st.sampled_from([0.0, 0.5, 4.0]),
    fisher_scale=SCALES,
    fisher_power=st.sampled_from([1.0, 0.5]),
    alignment=st.sampled_from([Alignment.SIGN, Alignment.CORRELATION]),
)
mask_specs = st.one_of(
    st.builds(
        MaskSpec, sparsity=st.sampled_from([0.0, 0.001, 0.3, 0.5, 0.95]), allocation=st.sampled_from(list(Allocation))
    ),
    st.builds(MaskSpec, pattern=st.sampled_from(["2:4", "4:8"])),
    st.just(MaskSpec(floor=0.25, ceiling=0.75)),
)


@given(st.sampled_from(list(CRITERIA)), score_specs, mask_specs, st.integers(0, 50), st.sampled_from([1e-6, 1e-3, 1.0]))
def test_every_claim_follows_from_the_numbers(
    name: str, score: ScoreSpec, mask: MaskSpec, seed: int, fisher: float
) -> None:
    sentence, shares, shared, fraction = judged(name, score, mask, statistics(seed, fisher))
    assert sentence.endswith(".")
    if fraction == 0:
        assert sentence.startswith("Nothing is pruned")
        return
    assert "Nothing is pruned" not in sentence
    if mask.pattern == "unstructured":
        assert f"With {percent(fraction)} of the weights pruned" in sentence
    else:
        kept, group = mask.n_m
        assert f"{mask.pattern} pattern, which prunes {group - kept} of every {group}" in sentence
    if "magnitude pruning would remove" in sentence:
        assert f"{percent(shared)} of the pruned weights are those magnitude pruning would remove" in sentence
    else:
        assert name == "magnitude"
        assert shared == 1
    if "every weight has the same score" in sentence:
        assert set(shares.values()) == {0.0}
    elif len(shares) > 1:
        leader = max(shares, key=lambda term: shares[term])
        says = "decides" if 0.9 <= shares[leader] <= 1 / 0.9 else "has the largest say"
        none_left = 1 <= shares[leader] <= 1 / 0.9
        assert ("the other terms together none" in sentence) == none_left
        amount = "all" if none_left else percent(shares[leader])
        claim = f", {TERM_LABELS[leader]} {says}: it carries {amount} of the variance of "
        assert claim in sentence
        assert ("the score before softplus" in sentence) == (name == "dai_released")
        assert ("pulls against it" in sentence) == (shares[leader] > 1 / 0.9)
        if shares[leader] > 1 / 0.9:
            last = min(shares, key=lambda term: shares[term])
            assert f"because {TERM_LABELS[last]} pulls against it with {percent(-shares[last])};" in sentence
        follower = re.search(r"followed by (.+?) with (.+?) ?%;", sentence)
        if follower:
            second = sorted(shares.values())[-2]
            assert f"{follower[2]} %" == percent(second)
        drowned = leader == "magnitude" and shares["magnitude"] >= 0.9
        assert ("let the domain signal count" in sentence) == drowned
        if drowned and name == "dai":
            assert ("set κ to `auto`" in sentence.lower()) == (score.fisher_scale != "auto")
            assert ("`sign`" in sentence) == (score.alpha > 0 and score.alignment is not Alignment.SIGN)
            assert ("raise α" in sentence) == (score.alpha == 0)
    else:
        assert "alone decides" in sentence


def test_the_paper_without_alignment_is_magnitude_and_the_sentence_says_so() -> None:
    sentence, shares, shared, _ = judged("dai", ScoreSpec(alpha=0), MaskSpec(), statistics(0, 1e-6))
    assert shares["magnitude"] > 0.99
    assert shared > 0.98
    assert sentence.startswith("With 50 % of the weights pruned over the whole scope, √|θ| decides: it carries ")
    assert sentence.endswith("Set κ to `auto` or raise α to let the domain signal count.")


def test_a_large_fisher_scale_lets_the_fisher_term_decide() -> None:
    sentence, *_ = judged("dai", ScoreSpec(fisher_scale=1e9, beta=0, alpha=0), MaskSpec(), statistics(0, 1e-6))
    assert "domain Fisher information decides" in sentence


def test_alignment_decides_where_it_alone_varies() -> None:
    weights = statistics(0, 1.0)
    flat = dataclasses.replace(weights, theta=torch.full_like(weights.theta, 0.04))
    sentence, *_ = judged("dai", ScoreSpec(fisher_scale=0), MaskSpec(pattern="2:4"), flat)
    assert sentence.startswith(
        "With the 2:4 pattern, which prunes 2 of every 4 consecutive inputs, gradient alignment decides: it carries all"
    )


def test_terms_that_cancel_are_not_said_to_decide() -> None:
    weights = statistics(0, 1.0)
    alike = dataclasses.replace(weights, fisher_general=0.9 * weights.fisher_domain)
    sentence, *_ = judged("dai", ScoreSpec(), MaskSpec(), alike)
    assert "domain Fisher information has the largest say: it carries " in sentence
    assert "more than the whole because general Fisher information pulls against it with " in sentence


def test_sentences_of_the_simple_criteria() -> None:
    weights = statistics(1, 1.0)
    magnitude, *_ = judged("magnitude", ScoreSpec(), MaskSpec(allocation=Allocation.LAYER), weights)
    assert magnitude == (
        "With 50 % of the weights pruned layer by layer, magnitude alone decides: "
        "the weights with the smallest |θ| go, whatever the data say."
    )
    chance, *_ = judged("random", ScoreSpec(seed=9), MaskSpec(), weights)
    assert "chance alone decides (seed 9)" in chance
    assert "unrelated choices share 50 % on average" in chance
    fisher, *_ = judged("fisher_domain", ScoreSpec(), MaskSpec(floor=0.2, ceiling=0.8), weights)
    assert "(a floor of 20 % and a ceiling of 80 % per matrix)" in fisher
    assert "Domain Fisher alone decides: the weights with the least Fisher information on domain data go; " in fisher


@given(st.integers(0, 20), mask_specs, st.integers(0, 15), st.integers(0, 31))
def test_the_explanation_of_a_weight_agrees_with_the_mask(seed: int, mask: MaskSpec, row: int, column: int) -> None:
    weights, numbers, chosen = statistics(seed, 1.0), ResolvedScore(), criterion("dai")
    other = score_weights(chosen, statistics(seed + 100, 1e-2), numbers)
    scores = {"w": score_weights(chosen, weights, numbers), "v": other}
    layers, shapes = {"w": 0, "v": 1}, {"w": (16, 32), "v": (16, 32)}
    result = make_masks(scores, layers, mask)
    rank, size = rank_of(scores.__getitem__, shapes, layers, mask, "w", row, column)
    kept = bool(result.masks["w"][row, column])
    told = explain_weight(
        chosen,
        weights.at(row, column),
        numbers,
        mask,
        score=scores["w"][row, column].item(),
        rank=rank,
        group_size=size,
        threshold=result.thresholds["w"],
        kept=kept,
    )
    assert told["values"]["theta"] == weights.theta[row, column].item()
    assert sum(told["terms"].values()) == pytest.approx(told["score"], rel=1e-4, abs=1e-6)
    assert (told["rank"], told["group_size"], told["kept"]) == (rank, size, kept)
    assert told["reason"].startswith("Kept: " if kept else "Pruned: ")
    line = result.thresholds["w"]
    assert told["threshold"] == (None if isnan(line) else line)
    if not isnan(line):
        word = "above" if told["score"] > line else "below" if told["score"] < line else "at"
        assert f" is {word} " in told["reason"]
        assert ("ceiling" in told["reason"]) == (kept and told["score"] < line)
        assert ("must lose" in told["reason"]) == (not kept and told["score"] > line)
    elif "from the lowest" in told["reason"]:
        going = re.findall(r"and ([\d,]+) go\.", told["reason"])
        assert kept == (rank > int(going[0]))


def test_the_reason_prints_enough_digits() -> None:
    told = explain_weight(
        criterion("magnitude"),
        WeightStatistics(theta=torch.tensor([0.1234567])),
        ResolvedScore(),
        MaskSpec(),
        score=0.1234567,
        rank=3,
        group_size=4,
        threshold=0.1234561,
        kept=True,
    )
    assert told["reason"] == "Kept: its score 0.123457 is above 0.123456, the threshold of the whole scope."
    assert told["values"].keys() == {"theta"}
    assert told["terms"].keys() == {"magnitude"}
