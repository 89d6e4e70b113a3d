"""Commands that train and that compare many ways of pruning: retrain, recommend, study, study-report."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gaprune_viz.cli.base import Flags, Json, app, build, print_json, spec_flags, with_progress
from gaprune_viz.cli.sweep_flags import numbers, split
from gaprune_viz.config import (
    CalibrationSpec,
    ExecutorSpec,
    ModelSpec,
    RecommendSpec,
    RefitSpec,
    RetrainSpec,
    Settings,
    StudySpec,
)
from gaprune_viz.errors import GapruneError

if TYPE_CHECKING:
    from gaprune_viz.experiments.cost_estimate import Foreseen

INSIDE = ("model", "calibration", "retrain", "refit")
LISTS = ("rows", "sparsities", "sample_sizes", "seeds")


@app.command()
@spec_flags(RetrainSpec, refit=RefitSpec)
def retrain(
    model_dir: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="Folder of a pruned model.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the retrained model.")],
    flags: Flags,
    task: Annotated[
        str | None, typer.Option("--task", help="Measure on this task on the way: a starter name or a BEIR folder.")
    ] = None,
    json_: Json = False,
) -> None:
    """Retrain a pruned model on its domain's triplets; what was pruned stays zero. A stopped run goes on."""
    from gaprune_viz.experiments.retrained_export import retrain_export

    refit = build(RefitSpec, flags, prefix="refit")
    document = with_progress(retrain_export(model_dir, build(RetrainSpec, flags), out, task=task, refit=refit))
    if json_:
        print_json({"out": str(out), **document["retrained"]})
        return
    told = document["retrained"]
    curve = told["curve"]
    print(
        f"{told['spec']['steps']} steps on {told['triplets']} triplets: loss {curve['losses'][0][1]:.3f} to "
        f"{curve['losses'][-1][1]:.3f}."
    )
    for point in curve["points"]:
        print(f"  after {point['step']} steps, nDCG@10 {point['ndcg_at_10']['domain']:.4f}")
    print(f"Written to {out}.")


@app.command()
@spec_flags(ModelSpec, CalibrationSpec, StudySpec, ExecutorSpec, leave_out=INSIDE, retrain=RetrainSpec, refit=RefitSpec)
def study(
    out: Annotated[Path, typer.Option("--out", help="Folder of the study: cells, study.json, tables, report.html.")],
    flags: Flags,
    model: Annotated[str | None, typer.Option("--model", help="As for analyze.")] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Measure nothing; report what is there.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what it will take.")] = False,
    json_: Json = False,
) -> None:
    """Repeat the paper's table: criteria by sparsity, one-shot and retrained, with intervals. Run it again to go on."""
    from gaprune_viz.experiments.study.html_report import write_report
    from gaprune_viz.experiments.study.runner import run_study

    spec, executor = study_spec({**flags, **({"model": model} if model else {})}), build(ExecutorSpec, flags)
    if plan:
        from gaprune_viz.experiments.study.cost_estimate import foresee_study

        show_foreseen(foresee_study(spec), executor, json_)
        return
    document = with_progress(run_study(spec, out, partial=partial, executor=executor))
    write_report(document, out)
    if json_:
        print_json(document)
        return
    print(f"{document['cells']['measured']} of {document['cells']['planned']} cells. Written to {out}.")
    for cell in document["failed"]:
        print(f"  not measured: {cell['label']}: {cell['error']}")


@app.command()
@spec_flags(RecommendSpec, ExecutorSpec, leave_out=("refit",), refit=RefitSpec)
def recommend(
    analysis: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of an analysis.")],
    flags: Flags,
    save: Annotated[str | None, typer.Option("--save", help="Keep the winner as a preset of this name.")] = None,
    json_: Json = False,
) -> None:
    """Search the DAI family on validation topics, and report the winner on queries that the search did not see."""
    from gaprune_viz.experiments.recommend import recommend as search
    from gaprune_viz.experiments.saved_presets import save_preset

    document = with_progress(search(analysis, recommend_spec(flags), executor=build(ExecutorSpec, flags)))
    if save:
        save_preset(save, Settings.parse(document["settings"]), document["sentence"])
    if json_:
        print_json(document)
        return
    score = document["settings"]["score"]
    print(document["sentence"])
    names = ("alignment", "alpha", "beta", "gamma", "fisher_scale", "fisher_power", "fisher_estimate")
    print("  " + " ".join(f"--{name.replace('_', '-')} {score[name]}" for name in names))
    for row in document["test"]:
        domain, general = row["domain"], row["general"]
        print(
            f"  {row['row']:<14}domain {domain['of_dense']:6.1f} % [{domain['low']:.1f}, {domain['high']:.1f}]"
            f"   general {general['of_dense']:6.1f} % [{general['low']:.1f}, {general['high']:.1f}]"
        )
    if save:
        print(f"Saved as a preset: --preset {save}.")


@app.command()
def study_report(
    studies: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders of studies.")],
    markdown: Annotated[Path, typer.Option("--markdown", help="Write the tables of all of them to this file.")],
) -> None:
    """Set the tables of several studies into one Markdown file."""
    from gaprune_viz.experiments.study.document import open_study
    from gaprune_viz.experiments.study.markdown import studies_markdown
    from gaprune_viz.storage.workspace import write_whole

    write_whole(markdown, studies_markdown([open_study(folder) for folder in studies]))
    print(f"Written to {markdown}.")


def show_foreseen(found: Foreseen, executor: ExecutorSpec, json_: bool) -> None:
    """Say what an experiment will take."""
    if json_:
        print_json(asdict(found))
        return
    print(found.sentence(0 if executor.cluster else executor.jobs))


def recommend_spec(flags: Flags) -> RecommendSpec:
    """A search from flags."""
    own = {name: value for name, value in flags.items() if name in RecommendSpec.model_fields and name != "refit"}
    return RecommendSpec.parse({**own, "refit": build(RefitSpec, flags, prefix="refit")})


def study_spec(flags: Flags) -> StudySpec:
    """A study from flags: lists are separated by commas, `--sample-sizes none` leaves that part out.

    Raises:
        GapruneError: a flag makes no sense.
    """
    usual = StudySpec()
    lists: dict[str, Any] = {}
    if "rows" in flags:
        lists["rows"] = split(flags["rows"], "rows")
    if "sparsities" in flags:
        lists["sparsities"] = numbers(flags["sparsities"], "sparsities")
    if "sample_sizes" in flags:
        lists["sample_sizes"] = whole_numbers(flags["sample_sizes"], "sample-sizes")
    if "seeds" in flags:
        lists["seeds"] = whole_numbers(flags["seeds"], "seeds")
    own = {k: v for k, v in flags.items() if k in StudySpec.model_fields and k not in (*LISTS, *INSIDE)}
    return StudySpec.parse(
        {
            "model": build(ModelSpec, flags, usual.model),
            "calibration": build(CalibrationSpec, flags, usual.calibration),
            "retrain": build(RetrainSpec, flags, usual.retrain, prefix="retrain"),
            "refit": build(RefitSpec, flags, usual.refit, prefix="refit"),
            **own,
            **lists,
        }
    )


def whole_numbers(text: str, flag: str) -> tuple[int, ...]:
    """Whole numbers separated by commas; `none` stands for no number.

    Raises:
        GapruneError: there is something else among them.
    """
    if text.strip().lower() == "none":
        return ()
    found = numbers(text, flag)
    if any(value != int(value) for value in found):
        raise GapruneError(f"--{flag}: {text!r} holds a fraction.", "Write for example 64,256, or none.")
    return tuple(int(value) for value in found)
