"""What decides a GAPrune mask on the default model, and how far the released procedure is from the definition.

Prints one JSON object with `--json`; `--write docs/fidelity.md` renders it. Not a timing: the numbers are the same on
every run of one machine, and the same to the digits shown on others.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _fidelity_document import render
from _fidelity_published import SIDES, Tensors, flatten, measure_published

from gaprune_viz.analysis.exact_scores import exact_scope
from gaprune_viz.analysis.making import analyze
from gaprune_viz.analysis.opening import open_analysis
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import Alignment, CalibrationSpec, MaskSpec, RunSpec, Scope, ScoreSpec
from gaprune_viz.criteria.criterion import BUILT_IN
from gaprune_viz.masking.from_statistics import ExactScope, mask_overlap
from gaprune_viz.masking.masks import make_masks
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.versions import versions
from tests.conformance import published

SPARSITIES = (0.3, 0.5)


def main() -> None:
    """Measure, and print or write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", type=Path, help="write the document there, for example docs/fidelity.md")
    parser.add_argument("--samples", type=int, default=128, help="triplets per side for the exact statistics")
    parser.add_argument("--published-samples", type=int, default=32, help="triplets per side, released procedure")
    options = parser.parse_args()
    if not (options.json or options.write):
        parser.error("say --json, --write PATH, or both")
    began = time.monotonic()
    found = measure(options.samples, options.published_samples)
    if options.write:
        options.write.write_text(render(found), encoding="utf-8")
    _say(f"done, {time.monotonic() - began:.0f} s in all")
    if options.json:
        print(json.dumps(found, indent=2))


def measure(samples: int, published_samples: int) -> dict[str, Any]:
    """Everything the document reports."""
    torch.manual_seed(0)
    run = RunSpec(calibration=CalibrationSpec(samples=samples, seed=0))
    model = load_model(run.model)
    document: dict[str, Any] = {
        "benchmark": "fidelity",
        "floor": "not a timing",
        "model": model.label,
        "weight_hash": model.weight_hash,
        "domain": run.calibration.domain,
        "general": run.calibration.general,
        "samples": samples,
        "seed": run.calibration.seed,
        "versions": versions(),
        "scopes": {},
    }
    for scope in (Scope.MLP, Scope.LINEAR):
        document["scopes"][scope.value] = measure_scope(run, scope, model)
        _say(f"scope {scope.value} measured")
    document["published"] = measure_published(run, published_samples, model)
    return document


def _say(text: str) -> None:
    print(f"{time.process_time():.0f} s of processor time: {text}", file=sys.stderr, flush=True)


def measure_scope(run: RunSpec, scope: Scope, model: EmbeddingModel) -> dict[str, Any]:
    """Overlaps, term shares, kappas and medians of one scope, over all its weights."""
    spec = run.with_(calibration=run.calibration.with_(scope=scope))
    with tempfile.TemporaryDirectory() as place:
        statistics = open_analysis(drain(analyze(spec, Path(place) / "analysis", model=model))).statistics
        exact, _ = exact_scope(statistics, model)
        medians = statistics.medians
        magnitude = ScoreSpec().gamma * medians["sqrt_theta"]
        return {
            "matrices": len(statistics.matrices),
            "weights": sum(m.size for m in statistics.matrices),
            "tokens": {side: statistics.document["data"][side]["tokens"] for side in SIDES},
            "mean_loss": {side: statistics.document["data"][side]["mean_loss"] for side in SIDES},
            "overlap_with_magnitude": overlaps(exact),
            "term_shares": {
                "dai, sign": exact.term_shares(ScoreSpec()),
                "dai, alpha 0": exact.term_shares(ScoreSpec(alpha=0)),
                "dai_released": exact.term_shares(ScoreSpec(criterion="dai_released")),
            },
            "medians": {
                "fisher_term": medians["fisher_theta_1.0"],
                "magnitude_term": magnitude,
                "ratio": magnitude / medians["fisher_theta_1.0"],
            },
            "half_variance_kappa": half_variance(exact),
            "tail": tail(exact),
            "auto_kappa": exact.kappa(ScoreSpec(fisher_scale="auto")),
            "alignment_factor": alignment_factors(exact),
            "float16_zero": {side: float16_zero(exact, f"fisher_{side}") for side in SIDES},
        }


def variants() -> dict[str, ScoreSpec]:
    """Every built-in criterion at the paper's constants; `dai` once for each alignment."""
    found: dict[str, ScoreSpec] = {}
    for built_in in BUILT_IN:
        if built_in.name == "dai":
            found |= {f"dai, {kind.value}": ScoreSpec(alignment=kind) for kind in Alignment}
            found["dai, alpha 0"] = ScoreSpec(alpha=0)
        elif built_in.name != "magnitude":
            found[built_in.name] = ScoreSpec(criterion=built_in.name)
    return found


def overlaps(exact: ExactScope) -> dict[str, dict[str, float]]:
    """Share of the weights each variant prunes that magnitude prunes too, by sparsity."""

    # Scored once for all sparsities; ExactScope.masks scores again at each.
    def masks(spec: ScoreSpec) -> dict[float, Tensors]:
        scores = {name: exact.scores(name, spec) for name in exact.shapes}
        return {s: make_masks(scores, exact.layers, MaskSpec(sparsity=s)).masks for s in SPARSITIES}

    magnitude = masks(ScoreSpec(criterion="magnitude"))
    found: dict[str, dict[str, float]] = {}
    for label, spec in variants().items():
        own = masks(spec)
        found[label] = {str(s): mask_overlap(own[s], magnitude[s])[0] for s in SPARSITIES}
    return found


def half_variance(exact: ExactScope) -> dict[str, dict[str, float]]:
    """The kappa at which fisher_domain + fisher_general carry half of Var(DAI), and the shares found there.

    With A = (F_d - beta F_g)|theta|, M = gamma sqrt|theta|, f = 1 + alpha s, A' = A f and M' = M f, the share is
    Cov(kappa A, kappa A' + M') / Var(kappa A' + M'). Setting it to 1/2 gives a quadratic in kappa, whose positive root
    this is; for alpha = 0 it is sd(M) / sd(A).
    """
    found: dict[str, dict[str, float]] = {}
    for label, spec in (("alpha 0", ScoreSpec(alpha=0)), ("alpha 0.2, sign", ScoreSpec())):
        c = covariances(exact, spec)  # of A, M, A', M'
        square = c[0, 2] - c[2, 2] / 2
        linear = c[0, 3] - c[2, 3]
        constant = -c[3, 3] / 2
        kappa = float((-linear + np.sqrt(linear**2 - 4 * square * constant)) / (2 * square))
        shares = exact.term_shares(spec.with_(fisher_scale=kappa))
        found[label] = {
            "kappa": kappa,
            "log10_kappa": float(np.log10(kappa)),
            "fisher_share_found": shares["fisher_domain"] + shares["fisher_general"],
            "magnitude_share_found": shares["magnitude"],
            "alignment_share_found": shares["alignment"],
        }
    return found


def covariances(exact: ExactScope, spec: ScoreSpec) -> np.ndarray:
    """Covariance matrix, float64 [4, 4], of A, M, A', M' of `half_variance` over all weights."""
    count, first, second = 0, np.zeros(4), np.zeros((4, 4))
    for name in exact.shapes:
        w = exact.weights(name, spec)
        size = w.theta.abs().double()
        fisher = (w.fisher_domain.double() - spec.beta * w.fisher_general.double()) * size
        root, factor = spec.gamma * size.sqrt(), 1 + spec.alpha * w.alignment.double()
        rows = torch.stack([fisher, root, fisher * factor, root * factor]).reshape(4, -1).numpy()
        count += rows.shape[1]
        first += rows.sum(1)
        second += rows @ rows.T
    mean = first / count
    return second / count - np.outer(mean, mean)


def alignment_factors(exact: ExactScope) -> dict[str, dict[str, float]]:
    """How far 0.2 s is from 0, and for how many weights 1 + 0.2 s is exactly 1 in float32."""
    found: dict[str, dict[str, float]] = {}
    for kind in Alignment:
        parts = []
        for name in exact.shapes:
            s = exact.weights(name, ScoreSpec(alignment=kind)).alignment
            parts.append((published.ALPHA * s).broadcast_to(exact.shapes[name]).reshape(-1).numpy())
        values = np.concatenate(parts)
        found[kind.value] = {
            "median": float(np.median(np.abs(values))),
            "largest": float(np.abs(values).max()),
            "rounds_to_1": float((np.float32(1) + values == np.float32(1)).mean()),
        }
    return found


def tail(exact: ExactScope) -> float:
    """Share of the sum of squares of (F_d - F_g)|theta| that its largest 1 % of entries hold."""
    parts = []
    for name in exact.shapes:
        w = exact.weights(name, ScoreSpec())
        parts.append(((w.fisher_domain - w.fisher_general) * w.theta.abs()).double().square().reshape(-1))
    squares = torch.cat(parts)
    return float(squares.topk(len(squares) // 100).values.sum() / squares.sum())


def float16_zero(exact: ExactScope, field: str) -> float:
    """Share of a Fisher estimate's entries that float16 cannot tell from 0."""
    flat = flatten({name: exact.statistics.tensor(name, field) for name in exact.shapes})
    return float((published.stored(flat) == 0).double().mean())


if __name__ == "__main__":
    main()
