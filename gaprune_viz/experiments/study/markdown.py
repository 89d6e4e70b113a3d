"""Studies as one Markdown file: what was done, every table, what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gaprune_viz.experiments.study.comparisons import contests, gains, interval, verdicts
from gaprune_viz.experiments.study.findings import Row, all_steps, dense_row, findings, main_rows
from gaprune_viz.experiments.study.tables import BASELINE

INTRODUCTION = """# Study: what each criterion keeps

Made by `gaprune-viz study` and `gaprune-viz study-report`; nothing here was written by hand. Every number is percent
of the dense model's nDCG@10 on the test part of a task, none of whose queries is among the calibration texts, with the
95 % paired bootstrap interval of the difference in brackets. "General" is the other collection: what the domain gains,
it may lose. Rows named after a criterion use it under one global threshold (Wanda: within each output row; SparseGPT:
within blocks of columns of a matrix, and it moves the weights that stay); `paper` and `balanced` are presets of the
criterion `dai`. `+ refit` fits the weights that stay anew. One run each, where no number of seeds is told: the
intervals are about the queries, not about the seed.

**Not every row is on clean queries.** The criterion `robust` and its constants were chosen on tasks that hold most
test queries of the starter collections (chemistry 113 of 120, finance 89 of 96, general 112 of 120) and 150 of the
1,005 of `ontology:chebi:1000`; the ridge and domain share of a refit were chosen on 16, 30, 15 and 76 of them. There
rows of `robust`, and less so those with a refit, flatter themselves. The row that keeps most is picked on the queries
that it is reported on: its p-value is adjusted for that, its percentage and its interval are not.
"""


def studies_markdown(documents: Sequence[Mapping[str, Any]]) -> str:
    """The text of all studies, one section each."""
    return "\n".join([INTRODUCTION, *(_section(document) for document in documents)])


def _section(document: Mapping[str, Any]) -> str:
    tasks, spec, data = document["tasks"], document["spec"], document["data"]
    retrain = spec["retrain"]
    cells = document["cells"]
    lines = [
        f"## {tasks['domain']['name']}{', with refits' if spec['refit']['refit'] else ''}",
        "",
        f"- Model {document['model']['label']}, scope `{spec['calibration']['scope']}`; calibrated on "
        f"{spec['calibration']['samples']} triplets a side at most ({spec['calibration']['sampling']}, seed "
        f"{spec['calibration']['seed']}): `{data['domain']['source']}` against `{data['general']['source']}`.",
        *(
            f"- {side.capitalize()} task: {task['name']}, {task['queries']:,} queries, {task['passages']:,} passages."
            for side, task in tasks.items()
        ),
        f"- Retraining: {retrain['steps']} steps of AdamW, batch {retrain['batch_size']}, learning rate "
        f"{retrain['learning_rate']:g}, texts cut at {retrain['max_length'] or 'the model’s limit of'} tokens, on the "
        "domain's calibration triplets.",
        f"- {cells['measured']} of {cells['planned']} cells measured."
        + ("" if cells["measured"] == cells["planned"] else " **Not finished.**"),
        *(f"- Not measured: {cell['label']}: {cell['error']}" for cell in document.get("failed", ())),
        "",
    ]
    for steps in all_steps(document):
        lines += [*_table(document, steps), ""]
    lines += [*_against_baseline(document), "", *_refit(document), "What it says:", ""]
    lines += [f"- {sentence}" for sentence in (*findings(document), *verdicts(document))]
    lines += ["", *_ablation(document), *_samples(document)]
    return "\n".join(lines)


def _table(document: Mapping[str, Any], steps: int) -> list[str]:
    title = "One-shot" if steps == 0 else f"After {steps} steps"
    rows = main_rows(document, steps)
    sparsities = sorted({r["sparsity"] for r in rows})
    dense = dense_row(document, steps)
    lines = [f"**{title}**", ""]
    if dense is not None:
        means = " and ".join(f"{dense['sides'][s]['means']['ndcg_at_10']:.3f} ({s})" for s in dense["sides"])
        kept = f", {_cell(dense, 'domain')} and {_cell(dense, 'general')} % of it before" if steps else ""
        lines += [f"Dense nDCG@10 {means}{kept}.", ""]
    if not rows:
        return lines
    heads = [f"{side} {100 * s:g} %" for s in sparsities for side in ("domain", "general")]
    lines += ["| row | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    by_place = {(r["row"], r["sparsity"]): r for r in rows}
    for name in dict.fromkeys(r["row"] for r in rows):
        cells = (_cell(by_place.get((name, s)), side) for s in sparsities for side in ("domain", "general"))
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return lines


def _cell(row: Row | None, side: str) -> str:
    if row is None:
        return "–"
    numbers = row["sides"][side]
    if numbers["of_dense"] is None:
        return "–"
    interval = "" if numbers["low"] is None else f" [{numbers['low']:.1f}, {numbers['high']:.1f}]"
    return f"{numbers['of_dense']:.1f}{interval}"


def _against_baseline(document: Mapping[str, Any]) -> list[str]:
    rows = [r for steps in all_steps(document) for r in main_rows(document, steps)]
    rows = [r for r in rows if r["sides"]["domain"]["over_baseline"] is not None]
    if not rows:
        return []
    places = sorted({(r["steps"], r["sparsity"]) for r in rows})
    heads = [f"{100 * s:g} %, {'one-shot' if steps == 0 else f'{steps} steps'}" for steps, s in places]
    lines = [
        f"**Domain, points over `{BASELINE}`** at the same sparsity and steps, with the p-value of a paired "
        "permutation test",
        "",
        "| row | " + " | ".join(heads) + " |",
        "|---|" + "---:|" * len(heads),
    ]
    found = {(r["row"], r["steps"], r["sparsity"]): r["sides"]["domain"]["over_baseline"] for r in rows}
    for name in dict.fromkeys(r["row"] for r in rows):
        cells = []
        for place in places:
            over = found.get((name, *place))
            cells.append("–" if over is None else f"{over['points']:+.1f} (p {over['p']:.4f})")
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return lines


def _refit(document: Mapping[str, Any]) -> list[str]:
    """What a refit adds to every mask, and how refitted rows stand beside the baselines."""
    spec = document["spec"].get("refit") or {}
    if not gains(document) and not contests(document):
        return []
    head = (
        f"**Refit** on at most {spec.get('samples')} triplets a side, domain share {spec.get('domain_share'):g}, ridge "
        f"{spec.get('ridge'):g}: points of dense nDCG@10 over the mask alone, domain / general"
    )
    return [
        *_differences(head, gains(document), lambda c: f"`{c['other']}`"),
        *_differences(
            "**Refitted rows beside baselines**: points of dense nDCG@10, domain / general",
            contests(document),
            lambda c: f"`{c['one']}` − `{c['other']}`",
        ),
    ]


def _differences(
    title: str, found: Sequence[Mapping[str, Any]], label: Callable[[Mapping[str, Any]], str]
) -> list[str]:
    if not found:
        return []
    places = sorted({(c["steps"], c["sparsity"]) for c in found})
    heads = [f"{100 * s:g} %, {'one-shot' if steps == 0 else f'{steps} steps'}" for steps, s in places]
    by_place = {(label(c), c["steps"], c["sparsity"]): c for c in found}
    lines = [title, "", "| row | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    for name in dict.fromkeys(map(label, found)):
        cells = (_apart(by_place.get((name, *place))) for place in places)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _apart(comparison: Mapping[str, Any] | None) -> str:
    if comparison is None:
        return "–"
    seeds = f" ({comparison['seeds']} seeds)" if comparison["seeds"] > 1 else ""
    return " / ".join(interval(told) for told in comparison["sides"].values()) + seeds


def _ablation(document: Mapping[str, Any]) -> list[str]:
    rows = [r for r in document["rows"] if r["part"] == "ablation"]
    if not rows:
        return []
    lines = [
        f"**Ablation** at {100 * rows[0]['sparsity']:g} %, one-shot: one constant is moved, the others stay",
        "",
        "| setting | domain | general |",
        "|---|---:|---:|",
    ]
    return [*lines, *(f"| {r['row']} | {_cell(r, 'domain')} | {_cell(r, 'general')} |" for r in rows), ""]


def _samples(document: Mapping[str, Any]) -> list[str]:
    rows = [r for r in document["rows"] if r["part"] == "samples"]
    if not rows:
        return []
    sparsity = rows[0]["sparsity"]
    whole = [r for r in main_rows(document, 0) if r["sparsity"] == sparsity and r["row"] in {x["row"] for x in rows}]
    lines = [
        f"**Calibration samples** at {100 * sparsity:g} %, one-shot",
        "",
        "| row | samples a side | domain | general |",
        "|---|---:|---:|---:|",
    ]
    ordered = sorted([*rows, *whole], key=lambda r: (r["row"], r["samples"]))
    return [
        *lines,
        *(f"| `{r['row']}` | {r['samples']} | {_cell(r, 'domain')} | {_cell(r, 'general')} |" for r in ordered),
        "",
    ]
