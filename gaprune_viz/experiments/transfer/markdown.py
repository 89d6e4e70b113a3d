"""A transfer map as a Markdown document, every sentence of it made from its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gaprune_viz.experiments.transfer.findings import (
    by_chance,
    findings,
    has_refit,
    interval,
    map_at,
    maps_of,
    mean_shared,
    reads_no_texts,
    rows_of,
)
from gaprune_viz.figures.kit.formatting import p_value, signed

Document = Mapping[str, Any]

INTRODUCTION = """# Domains: does pruning for a domain differ from pruning in general?

Made by `gaprune-viz transfer --markdown`; nothing here was written by hand. Weights are chosen with the calibration
texts of one source, and the pruned model is measured on the evaluation queries of every source. Numbers are percent of
the dense model's nDCG@10, with 95 % intervals of the paired difference, drawn by clusters of queries with the same
answers.

**Not every row is on clean queries.** The ridge 0.1 and the domain share 0.25 of a refit were chosen on some of the
queries that starter tasks and ChEBI's are measured on here (53 of 160 of chemistry, 91 of finance, 53 of general, 50 of
the 255 of `ontology:chebi:250`), and the criterion `robust` on most of them: such rows flatter themselves.

**Domain advantage**: the mean over all tasks of the score that was calibrated on the task's own source, less the mean
of the scores calibrated on the others. A calibration that is better everywhere cancels out of it. Its p-value is of a
permutation of the calibrations within each cluster of queries: it is about these masks and these queries. How many of
all ways to pair calibrations with tasks reach as much stands beside it, and is what speaks of sources.

**Control**: the same calibration texts, shuffled between the sources. It must find nothing.
"""


def transfer_markdown(document: Document) -> str:
    """The document."""
    lines = [INTRODUCTION, *_made_of(document), "", "## What it says", ""]
    lines += [f"- {sentence}" for sentence in findings(document)]
    lines += [
        "",
        "## Domain advantage",
        "",
        "Points of the dense score, 95 % interval, p, pairings that reach as much.",
    ]
    lines += ["", *_advantages(document), ""]
    for row in rows_of(document):
        if not reads_no_texts(maps_of(document, row)):
            lines += _row(document, row)
    lines += ["## Words", "", *_words(document)]
    return "\n".join(lines) + "\n"


def _made_of(document: Document) -> Iterator[str]:
    calibration, sources = document["spec"]["calibration"], document["sources"]
    seeds = f"seed{'s' * (len(document['seeds']) > 1)} {', '.join(map(str, document['seeds']))}"
    yield (
        f"- Model {document['model']['label']}, scope `{calibration['scope']}`. Each calibration reads "
        f"{calibration['samples']} triplets of its source as the domain and {calibration['samples']} of "
        f"`{calibration['general']}` as general data ({calibration['sampling']}, {seeds}); where the source is the "
        "general one, its domain side has other triplets than its general side."
    )
    for source in sources:
        yield (
            f"- {source['label']}: {source['triplets']:,} calibration triplets to draw from; measured on "
            f"{len(source['queries']):,} queries over {source['passages']:,} passages, dense nDCG@10 "
            f"{source['ndcg_at_10']:.3f}."
        )
    yield f"- {document['cells']:,} cells."


def _table(heads: Sequence[str], rows: Iterator[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(heads)} |",
        "|---" + "|---:" * (len(heads) - 1) + "|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _advantages(document: Document) -> list[str]:
    sparsities = sorted({one["sparsity"] for one in document["maps"]})
    arms = (False, True) if any(one["shuffled"] for one in document["maps"]) else (False,)
    heads = ["row", *(f"{100 * s:g} %{', control' * shuffled}" for shuffled in arms for s in sparsities)]

    def rows() -> Iterator[list[str]]:
        for refit in (False, True) if has_refit(document) else (False,):
            for row in rows_of(document):
                found = (
                    map_at(document, row, s, refit=refit, shuffled=shuffled) for shuffled in arms for s in sparsities
                )
                yield [f"`{row}`{' + refit' * refit}", *(_advantage(one) for one in found)]

    return _table(heads, rows())


def _advantage(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return "–"
    gain = one["advantage"]
    reached = f"{gain['reached']:,} of {gain['pairings']:,}"
    return f"{signed(gain['points'], 1)} [{interval(gain)}] p {p_value(gain['p'])}, {reached}"


def _row(document: Document, row: str) -> Iterator[str]:
    labels = [source["label"] for source in document["sources"]]
    for refit in (False, True) if has_refit(document) else (False,):
        for one in maps_of(document, row, refit=refit):
            yield f"## `{row}`{' + refit' * refit} at {100 * one['sparsity']:g} %"
            yield ""
            yield from _table(
                ["calibrated on, measured on →", *labels],
                ([label, *map(_score, scores)] for label, scores in zip(labels, one["scores"], strict=True)),
            )
            gains = ", ".join(
                f"{label} {signed(gain['points'], 1)} [{interval(gain)}]"
                for label, gain in zip(labels, one["advantage"]["by_task"], strict=True)
            )
            yield ""
            yield f"Own calibration less the mean of the others, by task: {gains}."
            if len(one["advantage"]["apart"]) > 1:
                yield ""
                yield f"By seed: {', '.join(signed(points, 1) for points in one['advantage']['apart'])}."
            if not refit:
                yield ""
                yield _overlap(document, one, labels)
            yield ""


def _score(score: Mapping[str, Any]) -> str:
    around = "" if score["low"] is None else f" [{score['low']:.1f}, {score['high']:.1f}]"
    return f"{score['of_dense']:.1f}{around}"


def _overlap(document: Document, one: Mapping[str, Any], labels: Sequence[str]) -> str:
    pairs = ", ".join(
        f"{labels[pair['pair'][0]]} and {labels[pair['pair'][1]]} {100 * pair['jaccard']:.1f} %"
        for pair in one["shared"]
    )
    control = map_at(document, one["row"], one["sparsity"], shuffled=True)
    beside = "" if control is None else f"; shuffled texts {100 * mean_shared(control):.1f} % on the mean"
    return (
        f"Pruned by both of two masks, of what either prunes: {pairs}{beside}; unrelated masks "
        f"{100 * by_chance(one['sparsity']):.1f} %."
    )


def _words(document: Document) -> Iterator[str]:
    """How many words the calibration texts of two sources have in common."""
    labels = [source["label"] for source in document["sources"]]
    yield "Words that the calibration texts of both sources have, of those that either has; in brackets when shuffled."
    yield ""
    real, control = document["words"]["real"], document["words"]["shuffled"]
    yield from _table(
        ["", *labels],
        (
            [label, *(f"{100 * real[i][j]:.0f} % ({100 * control[i][j]:.0f} %)" for j in range(len(labels)))]
            for i, label in enumerate(labels)
        ),
    )
