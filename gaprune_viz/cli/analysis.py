"""Commands around one analysis: analyze, prune, compare, explain, diagnose, criteria."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gaprune_viz.cli.base import (
    Flags,
    Json,
    Preset,
    app,
    build,
    print_json,
    settings_of,
    speaks,
    spec_flags,
    with_progress,
)
from gaprune_viz.cli.planning import show_plan
from gaprune_viz.cli.sources import SourceWeights
from gaprune_viz.config import (
    IDENTICAL_IDS_HELP,
    IDENTICAL_IDS_MARK,
    CalibrationSpec,
    MaskSpec,
    ModelSpec,
    RefitSpec,
    RunSpec,
    ScoreSpec,
    StructureSpec,
)
from gaprune_viz.errors import GapruneError

TOLD = ("key", "model", "data", "sources", "medians", "gradients", "effective_samples", "notes", "seconds", "versions")


@app.command()
@spec_flags(ModelSpec, CalibrationSpec)
def analyze(
    flags: Flags,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the result; needed unless --dry-run.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it would take: memory, disk and time.")
    ] = False,
    source_weights: SourceWeights = None,
    json_: Json = False,
) -> None:
    """Compute the statistics of a model on domain and general data. Runs on several processes under accelerate."""
    run = RunSpec(model=build(ModelSpec, flags), calibration=build(CalibrationSpec, flags))
    if source_weights is not None:
        from gaprune_viz.analysis.sources.alignment import reweighed

        run = reweighed(run, source_weights)
    if dry_run:
        show_plan(run, json_)
        return
    if out is None:
        raise GapruneError("analyze needs a folder for its result.", "Give one: --out DIR.")
    from gaprune_viz.analysis.preflight import look_first

    look_first(run)
    from gaprune_viz.analysis import making
    from gaprune_viz.analysis.opening import open_analysis

    place = with_progress(making.analyze(run, out))
    if not speaks():
        return
    analysis = open_analysis(place)
    document = analysis.statistics.document
    for note in document["notes"]:
        print(f"gaprune-viz: {note}", file=sys.stderr)
    weights = sum(m.size for m in analysis.statistics.matrices)
    if json_:
        print_json({"out": str(place), "weights": weights, "matrices": len(analysis.statistics.matrices)}
                    | {k: document[k] for k in TOLD if k in document})  # fmt: skip
        return
    samples = ", ".join(f"{d['samples']} of {d['name']}" for d in document["data"].values())
    print(
        f"{document['model']['label']}: {weights:,} weights in {len(analysis.statistics.matrices)} matrices, "
        f"samples {samples}, {document['seconds']:.1f} s. Written to {place}."
    )
    for one in document.get("sources", ()):
        print(f"  {one['side']:<8}{one['name']:<24}{one['samples']:>7,} samples, weight {one['weight']:.3f}")
    counted = ", ".join(f"{side} {n:,.1f}" for side, n in document["effective_samples"].items())
    print(f"Fisher information ({analysis.run.calibration.fisher.value}) rests on this many samples: {counted}.")


@app.command()
@spec_flags(ScoreSpec, MaskSpec, refit=RefitSpec, structure=StructureSpec)
def prune(
    analysis: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of an analysis.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the pruned model.")],
    flags: Flags,
    preset_name: Preset = None,
    packed: Annotated[
        bool, typer.Option("--packed", help="Store no zeros: smaller on disk; `unpack` makes a plain folder of it.")
    ] = False,
    json_: Json = False,
) -> None:
    """Prune the analysed model and export it for sentence-transformers."""
    from gaprune_viz.pruning.export import pruning

    document = with_progress(pruning(analysis, settings_of(flags, preset_name), out, packed=packed))
    refitted, moved = document.get("refit"), document.get("update")
    for note in [note for told in (moved, refitted) if told for note in told["notes"]]:
        print(f"gaprune-viz: {note}", file=sys.stderr)
    if json_:
        print_json({"out": str(out)} | {k: v for k, v in document.items() if k not in ("run", "data", "dense")})
        return
    if "structure" in document:
        _print_cut(document)
        print(f"Written to {out}.")
        return
    print(
        f"{document['zeros']:,} of {document['scope_weights']:,} weights are zero "
        f"({document['scope_sparsity']:.2%} of the scope, {document['model_sparsity']:.2%} of the model)."
    )
    print(document["sentence"])
    if refitted:
        print(
            f"The weights that stay were fitted anew on {refitted['tokens']:,} tokens; the last block's output is "
            f"{refitted['block_errors'][-1]:.1%} off the dense model's."
        )
    elif moved:
        print(f"The weights that stay were moved by {moved['criterion']} as it chose, on {moved['tokens']:,} tokens.")
    if packed:
        print(f"Weights and mask take {document['bytes'] / 2**20:.1f} MiB, packed.")
    print(f"Written to {out}.")


def _print_cut(document: dict[str, Any]) -> None:
    from gaprune_viz.errors import readable

    for row in document["structure"]["tried"]:
        shares = ", ".join(f"{side} {share:.1%}" for side, share in row["of_dense"].items())
        print(f"  {row['name']:<24}{shares} of dense on held-out calibration queries")
    print(f"{document['sentence']} Weights on disk: {readable(document['bytes'])}.")


@app.command()
@spec_flags(refit=RefitSpec)
def compare(
    model_dir: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="Folder of a pruned model.")],
    task: Annotated[
        str,
        typer.Option("--task", help="Starter name (chemistry, finance, general), ontology:chebi, BEIR folder or .zip."),
    ],
    flags: Flags,
    identical_ids: Annotated[str | None, typer.Option("--identical-ids", help=IDENTICAL_IDS_HELP)] = None,
    json_: Json = False,
) -> None:
    """Compare the retrieval of a pruned model with its dense origin; of a refitted one also with its mask alone."""
    from gaprune_viz.evaluation.comparison import COMPARED, compare_models, comparison_document, load_pair, mask_only
    from gaprune_viz.evaluation.refitted_pair import refitted_pair
    from gaprune_viz.evaluation.task_sources import load_task

    loaded = load_task(task if identical_ids is None else f"{task}{IDENTICAL_IDS_MARK}{identical_ids}")
    for note in loaded.notes:
        print(f"gaprune-viz: {note}", file=sys.stderr)
    pair = with_progress(refitted_pair(load_pair(model_dir), model_dir, build(RefitSpec, flags, prefix="refit")))
    comparison, _, _ = compare_models(pair, loaded)
    document = {"task": loaded.name, **comparison_document(comparison)}
    if pair.refitted:
        means = mask_only(pair, model_dir, loaded).means
        document |= {"mask_only": {key: means[key] for key in COMPARED}, "refit": pair.document["refit"]}
    if json_:
        print_json(document)
        return
    _print_comparison(document)
    for said in document["remarks"]:
        print(f"gaprune-viz: {said}", file=sys.stderr)


def _print_comparison(document: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from gaprune_viz.figures.retrieval.measures import MEASURES

    table = Table(title=f"{document['task']}: {document['queries']} queries, {document['passages']} passages")
    sides = ("dense", "mask_only", "pruned") if "mask_only" in document else ("dense", "pruned")
    names = {"mask_only": "mask only", "pruned": "refitted"} if "mask_only" in document else {}
    for column in ("", *(names.get(side, side) for side in sides), "difference", "95 % interval", "p"):
        table.add_column(column, justify="right" if column else "left")
    for key, label in MEASURES.items():
        low, high = document["intervals_95"][key]
        interval = "-" if low is None else f"{low:+.3f} .. {high:+.3f}"
        p = document["p_values"][key]
        values = (document[side][key] for side in sides)
        numbers = [*(f"{v:.3f}" for v in values), f"{document['delta'][key]:+.3f}", interval]
        table.add_row(label, *numbers, "-" if p is None else f"{p:.4f}")
    table.add_row("same in the top 10", *[""] * (len(sides) - 1), f"{document['overlap_at_10']:.1%}", "", "", "")
    Console().print(table)


@app.command()
@spec_flags(ScoreSpec, MaskSpec)
def explain(
    analysis: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of an analysis.")],
    weight: Annotated[str, typer.Option("--weight", help="NAME[row,column], counted from 0.")],
    flags: Flags,
    preset_name: Preset = None,
    json_: Json = False,
) -> None:
    """Say why one weight is pruned or kept."""
    from gaprune_viz.analysis.exact_scores import scope_of
    from gaprune_viz.calibration.statistics import Statistics

    match = re.fullmatch(r"\s*(.+?)\[(\d+)\s*,\s*(\d+)\]\s*", weight)
    if match is None:
        raise GapruneError(f"{weight!r} is not a weight.", "Write NAME[row,column], for example `a.b.weight[0,7]`.")
    settings = settings_of(flags, preset_name)
    statistics = Statistics.open(analysis)
    document = scope_of(statistics).explain(match[1], int(match[2]), int(match[3]), settings)
    if json_:
        print_json(document)
        return
    print(f"{document['weight']} (layer {document['layer']})")
    for group in ("values", "terms"):
        for name, value in document[group].items():
            print(f"  {group[:-1]:<6}{name:<16}{value:.6g}")
    print(f"  score {document['score']:.6g}, rank {document['rank']:,} of {document['group_size']:,}")
    print(document["reason"])


@app.command()
@spec_flags(ScoreSpec, MaskSpec)
def diagnose(
    analysis: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of an analysis.")],
    flags: Flags,
    preset_name: Preset = None,
    json_: Json = False,
) -> None:
    """Say what decides the mask, counted over every weight."""
    from gaprune_viz.analysis.exact_scores import diagnose as decided
    from gaprune_viz.calibration.description import NO_LABELS
    from gaprune_viz.masking.sentences import waking_sentence

    document = decided(analysis, settings_of(flags, preset_name))
    if json_:
        print_json(document)
        return
    print(document["sentence"])
    for title, key in (("share of the variance", "term_shares"), ("overlap of the mask with", "overlap")):
        print(f"{title}:")
        for name, value in document[key].items():
            print(f"  {name:<16}{value:12.6%}")
    layers = (f"{layer} {value:.1%}" for layer, value in document["pruned_fraction_by_layer"].items())
    print(f"pruned by layer: {', '.join(layers)}")
    if said := waking_sentence(document["waking"]):
        print(said)
    print(f"rows all but gone: {document['starved_rows']:,}")
    apart = document["disagreement"]
    conflict = f"off: {NO_LABELS}" if apart is None else f"{apart:.2%}"
    print(f"gradients in conflict: {conflict}; starved: {', '.join(document['starved']) or 'none'}")


@app.command()
def verify(
    analyses: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders of analyses.")], json_: Json = False
) -> None:
    """Compare every byte of finished analyses with their checksums."""
    from gaprune_viz.analysis.opening import verify_analysis

    found = {str(folder): verify_analysis(folder) for folder in analyses}
    if json_:
        print_json({"verified": found})
        return
    for name, counts in found.items():
        print(f"{name}: {counts['files']} files, {counts['tensors']} tensors, {counts['bytes']:,} bytes: as written.")


@app.command()
def criteria(json_: Json = False) -> None:
    """List the saliency criteria, built in and plugged in."""
    from gaprune_viz.criteria.registry import criteria as all_criteria

    fields = ("name", "label", "formula", "needs", "uses", "source")
    rows = [{field: getattr(c, field) for field in fields} for c in all_criteria().values()]
    if json_:
        print_json({"criteria": rows})
        return
    for row in rows:
        print(f"{row['name']:<16}{row['label']}\n{'':<16}{row['formula']}\n{'':<16}needs {', '.join(row['needs'])}")
        print(f"{'':<16}{row['source']}")
