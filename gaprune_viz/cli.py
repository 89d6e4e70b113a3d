"""The command line: thin, the same specs as the page."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, get_args, get_origin

import typer
from pydantic_core import PydanticUndefined

from gaprune_viz.config import CalibrationSpec, MaskSpec, ModelSpec, RunSpec, ScoreSpec, Settings, Spec
from gaprune_viz.errors import GapruneError
from gaprune_viz.presets import preset

app = typer.Typer(
    name="gaprune-viz",
    help="Prune text-embedding models by gradient alignment (GAPrune, arXiv 2509.10844), and see what it does.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else to standard output.")]
# `seed` exists in two specs; in `prune` it is the seed of the random criterion.
Flags = dict[str, Any]


def main() -> None:
    """Run the command line; a GapruneError is one line on standard error and exit status 2."""
    import click

    try:
        status = app(standalone_mode=False)
    except GapruneError as error:
        _fail(str(error), 2)
    except click.UsageError as error:
        where = f" {error.ctx.command_path} --help lists the flags." if error.ctx else ""
        _fail(f"{error.format_message()}{where}", 2)
    except (click.Abort, KeyboardInterrupt):
        _fail("stopped.", 130)
    else:
        raise SystemExit(status or 0)


def _fail(text: str, status: int) -> NoReturn:
    print(f"gaprune-viz: {' '.join(text.split())}", file=sys.stderr)
    raise SystemExit(status) from None


def spec_flags(*specs: type[Spec]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one flag for each field of some specs; they arrive as the keyword `flags`, only those given."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "flags"]
        fields = [_flag(spec, name) for spec in specs for name in spec.model_fields]

        @wraps(command)
        def run(**values: Any) -> None:
            names = {field.name for field in fields}
            flags = {k: v for k, v in values.items() if k in names and v is not None}
            command(**{k: v for k, v in values.items() if k not in names}, flags=flags)

        parameters = sorted([*own, *fields], key=lambda p: p.default is not inspect.Parameter.empty)
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run

    return decorate


def _flag(spec: type[Spec], name: str) -> inspect.Parameter:
    """A flag that is None unless given; bounds are checked by the spec, with one message for all ways in."""
    info = spec.model_fields[name]
    kind = info.annotation
    if get_origin(kind) is Literal or (get_args(kind) and str in get_args(kind)) or name == "fisher_scale":
        plain: Any = str
    elif isinstance(kind, type) and issubclass(kind, StrEnum):
        plain = str
    else:
        plain = next((a for a in get_args(kind) if a is not type(None)), kind)
    default = "none" if info.default in (None, PydanticUndefined) else str(info.default)
    text = info.description or ""
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        text += f" One of: {', '.join(kind)}."
    option = typer.Option(
        f"--{name.replace('_', '-')}", help=text, show_default=default, metavar=plain.__name__.upper()
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[plain | None, option]
    )


def _build(spec: type[Spec], flags: Flags, base: Spec | None = None) -> Any:
    values = {} if base is None else base.model_dump()
    given = {name: flags[name] for name in spec.model_fields if name in flags}
    if "fisher_scale" in given:
        given["fisher_scale"] = _number_or_word(given["fisher_scale"])
    return spec.parse({**values, **given})


def _number_or_word(value: str) -> float | str:
    """What --fisher-scale takes: a number, or `auto`."""
    return float(value) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value) else value


def _settings(flags: Flags, preset_name: str | None) -> Settings:
    base = preset(preset_name).settings if preset_name else Settings()
    return Settings(score=_build(ScoreSpec, flags, base.score), mask=_build(MaskSpec, flags, base.mask))


def _print_json(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n")


def _console() -> Any:
    from rich.console import Console

    return Console(stderr=True)


Preset = Annotated[
    str | None,
    typer.Option("--preset", help="Begin from a preset: paper, paper-30, balanced, magnitude, obd, nm-2-4. Flags win."),
]


@app.command()
@spec_flags(ModelSpec, CalibrationSpec)
def analyze(
    out: Annotated[Path, typer.Option("--out", help="Folder of the result.")],
    flags: Flags,
    json_: Json = False,
) -> None:
    """Compute the statistics of a model on domain and general data."""
    from gaprune_viz import pipeline

    run = RunSpec(model=_build(ModelSpec, flags), calibration=_build(CalibrationSpec, flags))
    place = _with_progress(pipeline.analyze(run, out))
    analysis = pipeline.open_analysis(place)
    document = analysis.statistics.document
    for note in document["notes"]:
        print(f"gaprune-viz: {note}", file=sys.stderr)
    weights = sum(m.size for m in analysis.statistics.matrices)
    if json_:
        keys = ("key", "model", "data", "medians", "notes", "seconds", "versions")
        _print_json({"out": str(place), "weights": weights, "matrices": len(analysis.statistics.matrices)}
                    | {k: document[k] for k in keys})  # fmt: skip
        return
    samples = ", ".join(f"{d['samples']} of {d['name']}" for d in document["data"].values())
    print(
        f"{document['model']['label']}: {weights:,} weights in {len(analysis.statistics.matrices)} matrices, "
        f"samples {samples}, {document['seconds']:.1f} s. Written to {place}."
    )


@app.command()
@spec_flags(ScoreSpec, MaskSpec)
def prune(
    analysis: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of an analysis.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the pruned model.")],
    flags: Flags,
    preset_name: Preset = None,
    json_: Json = False,
) -> None:
    """Prune the analysed model and export it for sentence-transformers."""
    from gaprune_viz import results

    document = results.prune(analysis, _settings(flags, preset_name), out)
    if json_:
        _print_json({"out": str(out)} | {k: v for k, v in document.items() if k not in ("run", "data", "dense")})
        return
    print(
        f"{document['zeros']:,} of {document['scope_weights']:,} weights are zero "
        f"({document['scope_sparsity']:.2%} of the scope, {document['model_sparsity']:.2%} of the model)."
    )
    print(document["sentence"])
    print(f"Written to {out}.")


@app.command()
def compare(
    model_dir: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="Folder of a pruned model.")],
    task: Annotated[str, typer.Option("--task", help="A starter name (chemistry, finance, general) or a BEIR folder.")],
    json_: Json = False,
) -> None:
    """Compare the retrieval of a pruned model with its dense origin."""
    from gaprune_viz import results
    from gaprune_viz.evaluation.retrieval import load_task

    loaded = load_task(task)
    pair = results.load_pair(model_dir)
    comparison, _, _ = results.compare_models(pair, loaded)
    document = {"task": loaded.name, **results.comparison_document(comparison)}
    if json_:
        _print_json(document)
        return
    _print_comparison(document)


def _print_comparison(document: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{document['task']}: {document['queries']} queries, {document['passages']} passages")
    for column in ("", "dense", "pruned", "difference", "95 % interval", "p"):
        table.add_column(column, justify="right" if column else "left")
    for key, label in (("ndcg_at_10", "nDCG@10"), ("mrr_at_10", "MRR@10"), ("recall_at_10", "Recall@10")):
        low, high = document["intervals_95"][key]
        interval = "-" if low is None else f"{low:+.3f} .. {high:+.3f}"
        p = document["p_values"][key]
        values = (document[side][key] for side in ("dense", "pruned"))
        numbers = [*(f"{v:.3f}" for v in values), f"{document['delta'][key]:+.3f}", interval]
        table.add_row(label, *numbers, "-" if p is None else f"{p:.4f}")
    table.add_row("same in the top 10", "", f"{document['overlap_at_10']:.1%}", "", "", "")
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
    from gaprune_viz import pipeline
    from gaprune_viz.core.statistics import Statistics

    match = re.fullmatch(r"\s*(.+?)\[(\d+)\s*,\s*(\d+)\]\s*", weight)
    if match is None:
        raise GapruneError(f"{weight!r} is not a weight.", "Write NAME[row,column], for example `a.b.weight[0,7]`.")
    settings = _settings(flags, preset_name)
    statistics = Statistics.open(analysis)
    scope, _ = pipeline.exact_scope(statistics, pipeline.load_dense(statistics))
    document = scope.explain(match[1], int(match[2]), int(match[3]), settings)
    if json_:
        _print_json(document)
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
    from gaprune_viz import results

    document = results.diagnose(analysis, _settings(flags, preset_name))
    if json_:
        _print_json(document)
        return
    print(document["sentence"])
    for title, key in (("share of the variance", "term_shares"), ("overlap of the mask with", "overlap")):
        print(f"{title}:")
        for name, value in document[key].items():
            print(f"  {name:<16}{value:12.6%}")
    layers = (f"{layer} {value:.1%}" for layer, value in document["pruned_fraction_by_layer"].items())
    print(f"pruned by layer: {', '.join(layers)}")
    print(f"gradients in conflict: {document['disagreement']:.2%}; starved: {', '.join(document['starved']) or 'none'}")


@app.command()
@spec_flags(ScoreSpec, MaskSpec)
def sweep(
    analysis: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of an analysis.")],
    flags: Flags,
    kind: Annotated[str, typer.Option("--kind", help="What the rows are: criteria or alpha.")] = "criteria",
    criteria: Annotated[str, typer.Option("--criteria", help="Rows of a criteria sweep.")] = "magnitude,dai,obd_joint",
    alphas: Annotated[str, typer.Option("--alphas", help="Rows of an alpha sweep.")] = "0,0.2,0.5,1",
    sparsities: Annotated[str, typer.Option("--sparsities", help="Fractions to prune.")] = "0.3,0.5,0.7",
    task: Annotated[str, typer.Option("--task", help="Task of the domain: starter name or BEIR folder.")] = "chemistry",
    general: Annotated[str, typer.Option("--general", help="General task, of the same kinds.")] = "general",
    preset_name: Preset = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write the cells to this file.")] = None,
    json_: Json = False,
) -> None:
    """Evaluate many settings, domain beside general. Finished cells are kept: run it again to go on."""
    from gaprune_viz import cli_sweep
    from gaprune_viz.sweep import sweep as cells

    lists = {"criteria": criteria, "alphas": alphas, "sparsities": sparsities}
    plan = cli_sweep.make_plan(kind, lists, (task, general), _settings(flags, preset_name), set(flags))
    frame = _with_progress(cells(analysis, plan))
    if csv:
        cli_sweep.write_csv(frame, csv)
    if json_:
        _print_json(cli_sweep.document(plan, frame))
    elif csv:
        print(f"{len(frame)} rows written to {csv}.")
    else:
        cli_sweep.print_table(frame)


@app.command()
def criteria(json_: Json = False) -> None:
    """List the saliency criteria, built in and plugged in."""
    from gaprune_viz.core.scoring import criteria as all_criteria

    fields = ("name", "label", "formula", "needs", "uses", "source")
    rows = [{field: getattr(c, field) for field in fields} for c in all_criteria().values()]
    if json_:
        _print_json({"criteria": rows})
        return
    for row in rows:
        print(f"{row['name']:<16}{row['label']}\n{'':<16}{row['formula']}\n{'':<16}needs {', '.join(row['needs'])}")
        print(f"{'':<16}{row['source']}")


@app.command(name="app")
def serve(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port to listen on.", min=0, max=65_535)] = 7860,
) -> None:
    """Open the page."""
    from gaprune_viz.app import launch

    launch(host=host, port=port)


@app.command(hidden=True)
def demo(out: Annotated[Path, typer.Option("--out", help="Folder of the bundled analysis.")]) -> None:
    """Make the analysis that the page shows before anything was run."""
    from gaprune_viz import pipeline

    place = _with_progress(pipeline.analyze(RunSpec(), out, sketch_cap=pipeline.DEMO_SKETCH_CAP, keep_tensors=False))
    print(f"Written to {place}.")


def _with_progress(work: Any) -> Any:
    """Run a job with a progress bar on standard error; Ctrl-C stops it cleanly."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from gaprune_viz.pipeline import iterate

    box: list[Any] = []
    console = _console()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bars:
        task = bars.add_task("", total=1.0)
        for step in iterate(work, box):
            bars.update(task, description=step.stage, completed=step.fraction if step.total > 1 else 0.0)
    return box[0]
