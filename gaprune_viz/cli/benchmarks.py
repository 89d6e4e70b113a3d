"""The command `benchmark`: a pruned model and its dense origin on mteb tasks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gaprune_viz.cli.base import Flags, Json, app, build, print_json, spec_flags, with_progress, with_reports
from gaprune_viz.config import RefitSpec
from gaprune_viz.errors import GapruneError

if TYPE_CHECKING:
    from gaprune_viz.evaluation.mteb.running import Failure, Report, Score


@app.command()
@spec_flags(refit=RefitSpec)
def benchmark(
    flags: Flags,
    model_dir: Annotated[Path | None, typer.Argument(metavar="MODEL_DIR", help="Folder of a pruned model.")] = None,
    tasks: Annotated[
        str | None,
        typer.Option(
            "--tasks",
            help="Tasks or groups of tasks, separated by commas: starter:chemistry, a BEIR folder, a task of mteb, "
            "finmteb:FinSTS, or starter, chemteb, finance, finmteb.",
            show_default="the starter collections of the model's domain and of general knowledge",
        ),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the tasks, and stop.")] = False,
    estimate: Annotated[bool, typer.Option("--estimate", help="Say what it will cost, and stop.")] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Keep the scores in the model's gaprune.json and in its card.")
    ] = False,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write the scores to this file.")] = None,
    json_: Json = False,
) -> None:
    """Evaluate a pruned model beside its dense origin with mteb."""
    if list_:
        return _list(json_)
    if model_dir is None:
        raise GapruneError("The folder of a pruned model is missing.", "Give MODEL_DIR, or --list for the tasks.")
    from gaprune_viz.evaluation.comparison import load_pair
    from gaprune_viz.evaluation.mteb.catalogue import find_tasks
    from gaprune_viz.evaluation.mteb.model_card import default_tasks, variants_of
    from gaprune_viz.evaluation.mteb.running import Failure, Score, run
    from gaprune_viz.evaluation.refitted_pair import refitted_pair

    given = None if tasks is None else find_tasks(tasks.split(","))
    refit = build(RefitSpec, flags, prefix="refit")
    if refit.refit and write:
        raise GapruneError(
            "--write keeps scores in the model's folder, which has other weights than the refit.",
            "Prune with --refit, and benchmark that folder.",
        )
    pair = load_pair(model_dir)
    chosen = given or find_tasks(default_tasks(pair))
    if estimate:
        return _estimate(chosen, pair.dense, json_)
    pair = with_progress(refitted_pair(pair, model_dir, refit))
    found: list[Score | Failure] = []

    def work(report: Report) -> None:
        for one in run(chosen, variants_of(pair), report=report):
            found.append(one)

    try:
        with_reports(work)
    finally:
        # What was finished before Ctrl-C is not lost.
        scores = [one for one in found if isinstance(one, Score)]
        _give(model_dir, scores, [one for one in found if isinstance(one, Failure)], write, csv, json_)
    _refuse([one for one in found if isinstance(one, Failure)])


def _give(
    folder: Path, scores: Sequence[Score], failures: Sequence[Failure], write: bool, csv: Path | None, json_: bool
) -> None:
    """Write and print what was measured; nothing at all where nothing was."""
    if not scores:
        return
    from gaprune_viz.cli.sweep_flags import write_csv
    from gaprune_viz.evaluation.mteb.model_card import attach, measured
    from gaprune_viz.evaluation.mteb.report import frame

    table, document = frame(scores), measured(scores)
    if csv:
        write_csv(table, csv)
    if write:
        attach(folder, document)
    if json_:
        errors = [{"task": failure.task, "error": str(failure.error)} for failure in failures]
        print_json({"model": str(folder), **document, "failures": errors})
        return
    _print_table(table)
    for place in (csv, folder if write else None):
        if place:
            print(f"Written to {place}.")


def _print_table(frame: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    from gaprune_viz.figures.experiments.benchmark import benchmark_table

    shown = benchmark_table(frame)
    table = Table(box=None, pad_edge=False, collapse_padding=True)
    for column in shown.columns:
        table.add_column(str(column), justify="left" if column in ("Task", "Metric") else "right")
    for row in shown.itertuples(index=False):
        table.add_row(*map(str, row))
    Console().print(table)


def _refuse(failures: Sequence[Failure]) -> None:
    """One line for all that could not be done.

    Raises:
        GapruneError: there is something.
    """
    if not failures:
        return
    first = failures[0].error
    if len(failures) == 1:
        raise first
    names = ", ".join(failure.task for failure in failures)
    raise GapruneError(f"{len(failures)} tasks could not be done: {names}. The first: {first.message}", first.hint)


def _estimate(chosen: Any, model: Any, json_: bool) -> None:
    from gaprune_viz.evaluation.mteb.estimate import estimate, measure_speed
    from gaprune_viz.figures.experiments.benchmark import estimate_text

    found = estimate(chosen, 2, measure_speed(model))
    if json_:
        print_json(asdict(found))
    else:
        print(estimate_text(found))


def _list(json_: bool) -> None:
    from gaprune_viz.evaluation.mteb.catalogue import GROUPS

    if json_:
        tasks = {g.key: [{"name": t.name, "type": t.kind} for t in g.tasks] for g in GROUPS}
        print_json({"groups": [{"group": g.key, "label": g.label, "tasks": tasks[g.key]} for g in GROUPS]})
        return
    for group in GROUPS:
        print(f"{group.key}: {group.label}{'' if group.local else ' (needs a network)'}")
        for task in group.tasks:
            print(f"  {task.name:<48}{task.kind}")
    sys.stdout.write("Also: a BEIR folder, ontology:chebi, and every other task of texts in mteb by its name.\n")
