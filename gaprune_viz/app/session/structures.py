"""What is told of a cut of whole structures beside its preview: what is left, and how long it is expected to take."""

from __future__ import annotations

from typing import Any

from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import Live
from gaprune_viz.config import Settings
from gaprune_viz.evaluation.timing.workloads import Milliseconds
from gaprune_viz.figures.kit.formatting import percent
from gaprune_viz.pruning.structured.outline import TOKENS


def cut_words(settings: Settings) -> str:
    """What is cut, in a few words: `50 % of the neurons out`."""
    return f"{percent(settings.mask.sparsity, 0)} of the {settings.structure.structure.value} out"


def cut_note(settings: Settings) -> str:
    """That answers are of the smaller model itself, and how it was finished; empty where single weights go."""
    if not settings.structure.whole:
        return ""
    ways = [*(["a refit"] if settings.refit.refit else [])]
    ways += [f"{settings.structure.steps} steps of retraining"] if settings.structure.steps else []
    finished = (
        f"after the cut {' and '.join(ways)} were tried, and what answers held-out calibration queries best was kept"
        if ways
        else "as it is cut, not finished in any way"
    )
    return f"Answers of the smaller model itself, {cut_words(settings)}; {finished}."


def expected_times(now: Live) -> tuple[Milliseconds, Milliseconds] | None:
    """Milliseconds a text of the dense model and of what is left, by workload; None before they were measured."""
    if now.cut is None:
        return None
    curve = STORE.curve(now.analysis, now.cut.units.structure)
    return None if curve is None else (curve.expected(now.cut.before), curve.expected(now.cut.after))


def cut_document(now: Live) -> dict[str, Any]:
    """What is left of a cut, for programs."""
    cut, times = now.cut, expected_times(now)
    assert cut is not None
    return {
        "structure": cut.units.structure.value,
        "before": cut.before,
        "after": cut.after,
        "layers_gone": list(cut.gone),
        "parameters": cut.parameters,
        "dense_parameters": cut.outline.parameters,
        "flops": cut.flops,
        "dense_flops": cut.outline.flops,
        "flops_of_tokens": TOKENS,
        "weight_bytes": cut.weight_bytes,
        "milliseconds": None if times is None else {"dense": times[0], "cut": times[1]},
    }
