"""The `plan` command: what an analysis will take, before it runs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gaprune_viz.cli.base import Flags, Json, app, build, print_json, spec_flags
from gaprune_viz.config import CalibrationSpec, ModelSpec, RefitSpec, RunSpec
from gaprune_viz.errors import readable

if TYPE_CHECKING:
    from gaprune_viz.calibration.memory_plan import Plan


@app.command(name="plan")
@spec_flags(ModelSpec, CalibrationSpec, refit=RefitSpec)
def plan_command(flags: Flags, json_: Json = False) -> None:
    """Say what an analysis would take, and with --refit what a refit would: memory, disk, time. Reads no weights."""
    run = RunSpec(model=build(ModelSpec, flags), calibration=build(CalibrationSpec, flags))
    show_plan(run, json_, build(RefitSpec, flags, prefix="refit"))


def show_plan(run: RunSpec, json_: bool, refit: RefitSpec | None = None) -> None:
    """Predict a run, and a refit where it is on, and print it."""
    from gaprune_viz.analysis.preflight import look_first

    look_first(run)
    from gaprune_viz.analysis.cost_estimate import outlined, predict

    outline = outlined(run)
    found, foreseen = predict(run, timed=True, outline=outline), None
    if refit is not None and refit.refit:
        from gaprune_viz.pruning.refit.cost_estimate import foresee

        foreseen = foresee(run, refit, outline)
    if json_:
        told = {} if foreseen is None else {"refit": {**asdict(foreseen.plan), "seconds": foreseen.seconds}}
        print_json(plan_document(found) | told)
        return
    for line in [*plan_lines(found), *([] if foreseen is None else [f"refit   {foreseen.sentence}"])]:
        print(line)


def plan_document(found: Plan) -> dict[str, Any]:
    """A plan as plain values, ready for JSON."""
    document = asdict(found)
    return {**document, "groups": [list(group) for group in found.groups]}


def plan_lines(found: Plan) -> list[str]:
    """A plan for people."""
    minutes = (found.seconds or 0) / 60
    stages = ", ".join(f"{name} {seconds:,.0f} s" for name, seconds in found.stages.items())
    lines = [
        f"{found.weights:,} weights in {found.matrices} matrices, of a model of {found.parameters:,} parameters.",
        f"{found.samples:,} samples of both sides, {found.tokens:,} tokens a pass, batches of {found.token_budget:,}.",
        f"memory  {readable(found.peak_bytes)} at most: model {readable(found.model_bytes)}, running sums "
        f"{readable(found.sums_bytes)}, one batch {readable(found.batch_bytes)}",
        f"disk    {readable(found.disk_bytes)}",
        f"time    about {minutes:.1f} minutes on this machine as busy as it is now ({found.flops / 1e12:,.1f} TFLOP): "
        f"{stages}",
    ]
    if found.reading:
        lines.append(f"prompts {found.reading}")
    lines += found.notes
    if len(found.groups) > 1:
        lines.append(
            f"The weights are calibrated in {len(found.groups)} groups, in turn, to stay within the memory given; "
            "the numbers stay the same."
        )
    return lines
