"""Retrain a pruned export and save it beside: the same mask, new weights, the curve in its card."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

from gaprune_viz.calibration.progress import Progress, relayed
from gaprune_viz.config import RefitSpec, RetrainSpec, RunSpec
from gaprune_viz.data.triplets import calibration_triplets
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.comparison import load_pair
from gaprune_viz.evaluation.refitted_pair import refitted_pair
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.experiments.learned import refuse_learned
from gaprune_viz.experiments.tracked_retraining import Curve, train
from gaprune_viz.models.targets import inventory
from gaprune_viz.pruning.export import RESULT_FILE, export, read_masks
from gaprune_viz.pruning.model_card import model_card
from gaprune_viz.pruning.retraining import own_targets
from gaprune_viz.storage.workspace import whole_folder
from gaprune_viz.versions import versions


def retrain_export(
    model_dir: Path, spec: RetrainSpec, out: Path, *, task: str | None = None, refit: RefitSpec | None = None
) -> Generator[Progress, None, dict[str, Any]]:
    """Retrain a pruned export on the triplets of its domain. Closing the generator keeps a checkpoint.

    Args:
        model_dir: folder of a pruned export.
        spec: how.
        out: folder of the result; its checkpoint is beside it until the result is whole.
        task: measured before, on the way and at the end.
        refit: fit the kept weights anew first; None, or off, begins with the weights of the export.

    Returns:
        what is in the new `gaprune.json`: that of the export with `retrained`.

    Raises:
        GapruneError: whatever a person can put right.
    """
    if out.resolve() == model_dir.resolve():
        raise GapruneError(f"{out} is the pruned model itself.", "Choose another folder with --out.")
    yield Progress("Loading the model", 0, 1, 0.0)
    pair = yield from refitted_pair(load_pair(model_dir), model_dir, refit or RefitSpec())
    masks = read_masks(model_dir)
    found = [t for t in inventory(pair.pruned).targets if t.name in masks]
    calibration = RunSpec.parse(pair.document["run"]).calibration
    lessons = calibration_triplets(calibration, "domain", pair.pruned.directions)
    tasks = {"domain": load_task(task)} if task else None
    refuse_learned(((one.name, one) for one in (tasks or {}).values()), [("the lessons", lessons.triplets)])
    checkpoint = out.with_name(f".{out.name}.checkpoint.safetensors")
    work = train(pair.pruned, found, masks, lessons.triplets, spec, tasks=tasks, checkpoint=checkpoint)
    trained = yield from relayed(work, lambda update: update.progress)
    document = {
        **pair.document,
        "versions": versions(),
        "retrained": {
            "spec": spec.model_dump(mode="json"),
            "source": lessons.name,
            "content_hash": lessons.content_hash,
            "triplets": len(lessons.triplets),
            "task": None if tasks is None else tasks["domain"].name,
            "curve": trained.curve.document(),
        },
    }
    with whole_folder(out, marker=RESULT_FILE) as folder:
        card = model_card(document) + retrained_section(document["retrained"], trained.curve)
        export(folder, trained.model, own_targets(trained.model, found), masks, document, card)
    checkpoint.unlink(missing_ok=True)
    return document


def retrained_section(told: dict[str, Any], curve: Curve) -> str:
    """What the model card says of retraining."""
    spec = told["spec"]
    lines = [
        "",
        "## Retrained",
        "",
        f"{spec['steps']} steps of AdamW on {told['triplets']:,} triplets of `{told['source']}` (batch "
        f"{spec['batch_size']}, learning rate {spec['learning_rate']:g}, seed {spec['seed']}). "
        "Pruned weights stayed zero.",
        f"Loss of the first batch {curve.losses[0][1]:.3f}, of the last {curve.losses[-1][1]:.3f}."
        if curve.losses
        else "",
        "",
    ]
    if curve.points:
        lines += [f"| steps | nDCG@10, {told['task']} |", "|---|---|"]
        lines += [f"| {point.step} | {point.ndcg_at_10['domain']:.4f} |" for point in curve.points]
        lines.append("")
    return "\n".join(lines)
