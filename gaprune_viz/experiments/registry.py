"""The experiments that can be run by their name: by the page, which knows no more of them than this."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaprune_viz.calibration.progress import Progress
from gaprune_viz.config import SIDES, ExecutorSpec, Spec, StudySpec, TransferSpec
from gaprune_viz.experiments.cost_estimate import Foreseen

Run = Callable[[Any, Path, ExecutorSpec], Generator[Progress, None, None]]


@dataclass(frozen=True)
class Experiment:
    """An experiment of many cells, each of which is a JSON file in the folder `cells` of its own.

    Attributes:
        spec: what determines it.
        run: does it in a folder; what is finished is found there again.
        foresee: what it will take.
        row: a finished cell as a line of a table.
    """

    spec: type[Spec]
    run: Run
    foresee: Callable[[Any], Foreseen]
    row: Callable[[Mapping[str, Any]], dict[str, Any]]


# Whoever lists them loads none of them.
def _run_study(spec: StudySpec, folder: Path, executor: ExecutorSpec) -> Generator[Progress, None, None]:
    from gaprune_viz.experiments.study.html_report import write_report
    from gaprune_viz.experiments.study.runner import run_study

    write_report((yield from run_study(spec, folder, executor=executor)), folder)


def _foresee_study(spec: StudySpec) -> Foreseen:
    from gaprune_viz.experiments.study.cost_estimate import foresee_study

    return foresee_study(spec)


def _study_row(cell: Mapping[str, Any]) -> dict[str, Any]:
    steps = cell["curve"]["losses"][-1][0] if "curve" in cell else 0
    scores = {f"nDCG@10, {side}": round(float(cell["scores"][side]["means"]["ndcg_at_10"]), 4) for side in SIDES}
    return {"Row": str(cell["row"]), "Sparsity": f"{float(cell['sparsity']):.0%}", "Steps": int(steps), **scores}


def _run_transfer(spec: TransferSpec, folder: Path, executor: ExecutorSpec) -> Generator[Progress, None, None]:
    from gaprune_viz.experiments.transfer.runner import run_transfer

    yield from run_transfer(spec, folder, executor=executor)


def _foresee_transfer(spec: TransferSpec) -> Foreseen:
    from gaprune_viz.experiments.transfer.cost_estimate import foresee_transfer

    return foresee_transfer(spec)


def _transfer_row(cell: Mapping[str, Any]) -> dict[str, Any]:
    score = shared = ""
    if "places" in cell:
        both, either = (sum(int(place[i]) for place in cell["places"]) for i in (2, 3))
        shared = f"{both / max(1, either):.4f}"
    else:
        score = f"{sum(map(float, cell['ndcg_at_10'])) / max(1, len(cell['ndcg_at_10'])):.4f}"
    return {**_transfer_place(cell), "nDCG@10": score, "Masks in common": shared}


def _transfer_place(cell: Mapping[str, Any]) -> dict[str, str]:
    """What a cell is of; cells of earlier versions do not say it."""
    of = cell.get("of")
    if of is None:
        return dict.fromkeys(("Row", "Sparsity", "Calibrated on", "Measured on"), "")
    shuffled = ", shuffled" if of["shuffled"] else ""
    return {
        "Row": f"{of['row'] or 'dense'}{' + refit' if of['refit'] else ''}",
        "Sparsity": f"{float(of['sparsity']):.0%}",
        "Calibrated on": f"{' and '.join(of['calibrated'])}{shuffled}, seed {of['seed']}" if of["calibrated"] else "",
        "Measured on": str(of["task"] or ""),
    }


EXPERIMENTS: dict[str, Experiment] = {
    "study": Experiment(StudySpec, _run_study, _foresee_study, _study_row),
    "transfer": Experiment(TransferSpec, _run_transfer, _foresee_transfer, _transfer_row),
}
