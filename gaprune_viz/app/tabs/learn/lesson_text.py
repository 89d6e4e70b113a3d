"""What the lesson says of what it measured. Every sentence follows from the numbers."""

from __future__ import annotations

from html import escape
from math import isfinite
from typing import Any

from gaprune_viz.evaluation.retrieval import Comparison
from gaprune_viz.figures.kit import panels
from gaprune_viz.figures.kit.formatting import MISSING, percent, signed
from gaprune_viz.figures.retrieval.ranking import ranking_html
from gaprune_viz.jobs.works.lesson import Searched, Trial
from gaprune_viz.masking.sentences import waking_sentence

MEASURE = "ndcg_at_10"
MOST = 0.5
"""A remedy that gives back this share of a loss or more gives back most of it."""
SOME = 0.1
"""Below this share it gives back next to nothing."""
SMALL = 0.005
"""A mean nDCG@10 that fell by less has not fallen in two digits."""
FEW_LAYERS = 6


def story_html(trial: Trial) -> str:
    """What was found, in plain sentences, a table and the rankings of one query."""
    shown = trial.whole or trial.alone
    said = told(trial)
    notes = "".join(panels.notice(text) for text in said[1:])
    note = f"nDCG@10 of this query: {_scores(trial, one=True)}. It is the one that the first mask changed most."
    ranking = ranking_html(trial.query, shown.sides, note=note)
    return f"{panels.sentence_card(said[0])}{notes}{_table(trial)}{ranking}"


def told(trial: Trial) -> list[str]:
    """The sentences of a trial, the most important first."""
    if trial.whole is not None:
        return _told_of_both(trial, trial.whole)
    fell = f"over all sample queries of {trial.task} the change is {_interval(trial.alone.comparison)}"
    woken = trial.alone.losses.woken
    if not woken:
        return [*_none(trial), f"nDCG@10: {_scores(trial)}; {fell}."]
    first = f"{waking_sentence(woken)} nDCG@10: {_scores(trial)}; {fell}."
    return [first, _where(trial), *_without_bias(trial)]


def _told_of_both(trial: Trial, whole: Searched) -> list[str]:
    dense, before, after = _means(trial, whole)
    differ, size = trial.differ
    same = f"The two masks prune the same share of the weights and differ in {differ:,} of {size:,}."
    woken = trial.alone.losses.woken
    if not woken:
        return [f"No neuron woke, so there was none to cut: nDCG@10 is {_scores(trial)}.", same]
    first = f"nDCG@10 over all sample queries of {trial.task}: {_scores(trial)}."
    lost, gained = dense - before, after - before
    if lost < SMALL:
        verdict = "The first mask had not made the mean worse, so there was nothing to give back."
    elif gained >= MOST * lost:
        back = percent(min(1.0, gained / lost), 0)
        verdict = f"Cutting them gives back {back} of what was lost: they were most of the harm."
    elif gained >= SOME * lost:
        verdict = f"Cutting them gives back {percent(gained / lost, 0)} of what was lost; the rest has other causes."
    else:
        verdict = "Cutting them brings next to nothing back: here the loss has other causes."
    return [f"{first} {verdict}", same, *_without_bias(trial)]


def _none(trial: Trial) -> list[str]:
    if not trial.neurons:
        why = "this analysis holds no whole MLP, and neurons are the rows and columns of one."
    else:
        why = "no neuron loses nearly all its inputs and keeps an output."
    try_ = (
        "To see one wake: in the sidebar choose the default model, chemistry and scope MLP, press Run, and come back. "
        "Scope linear, other data or a higher sparsity can wake more."
    )
    return [f"No neuron wakes here; {why}", try_]


def _where(trial: Trial) -> str:
    layers = sorted((layer for layer, count in trial.by_layer.items() if count), key=lambda n: -trial.by_layer[n])
    places = ", ".join(f"layer {layer}: {trial.by_layer[layer]:,}" for layer in layers[:FEW_LAYERS])
    text = f"Where: {places}{', …' if len(layers) > FEW_LAYERS else ''}."
    if trial.loudest is not None:
        layer, neuron, kept, of = trial.loudest
        text += (
            f" Neuron {neuron:,} of layer {layer} is still heard most widely: it keeps {kept:,} of its {of:,} outputs."
        )
    return text


def _without_bias(trial: Trial) -> list[str]:
    if trial.biased:
        return []
    return ["The MLPs of this model have no bias: a neuron without input answers 0, which harms less than a bias does."]


def _table(trial: Trial) -> str:
    heads = ["nDCG@10", "Dense", _awake(trial), *(["Cut whole"] if trial.whole else [])]
    searched = [trial.alone, *([trial.whole] if trial.whole else [])]
    means = [trial.alone.comparison.dense[MEASURE], *(s.comparison.pruned[MEASURE] for s in searched)]
    one = [trial.alone.scores[0], *(s.scores[1] for s in searched)]
    change = ["Change", "", *(_interval(s.comparison) for s in searched)]
    lines = [
        [f"All {trial.alone.comparison.queries:,} queries", *(_digits(x) for x in means)],
        change,
        ["The query below", *(_digits(x) for x in one)],
        ["Neurons awake", "0" if trial.neurons else MISSING, *(f"{s.losses.woken:,}" for s in searched)],
    ]
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in cells)}</tr>'
        for name, *cells in lines
    )
    inner = f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    return f'<div class="gv-scroll gv-lesson-table"><table>{inner}</table></div>'


def _awake(trial: Trial) -> str:
    woken = trial.alone.losses.woken
    return f"{woken:,} neuron{'' if woken == 1 else 's'} awake" if woken else "Fisher alone"


def _scores(trial: Trial, *, one: bool = False) -> str:
    """`0.76 dense, 0.40 with 5 neurons awake, 0.74 with them cut whole`."""
    whole = trial.whole
    if one:
        dense, before, after = (*trial.alone.scores, whole.scores[1] if whole else None)
    else:
        dense, before, after = _means(trial, whole)
    awake, woken = _awake(trial), trial.alone.losses.woken
    text = f"{dense:.2f} dense, {before:.2f} " + (f"with {awake}" if woken else "pruned")
    return text if after is None else f"{text}, {after:.2f} with {'them' if woken else 'neurons'} cut whole"


def _means(trial: Trial, whole: Searched | None) -> tuple[float, float, Any]:
    comparison = trial.alone.comparison
    after = whole.comparison.pruned[MEASURE] if whole else None
    return comparison.dense[MEASURE], comparison.pruned[MEASURE], after


def _interval(comparison: Comparison) -> str:
    low, high = comparison.intervals[MEASURE]
    text = signed(comparison.delta[MEASURE])
    return f"{text} (95 % {signed(low)} to {signed(high)})" if isfinite(low) and isfinite(high) else text


def _digits(value: float) -> str:
    return f"{value:.3f}"
