"""The released GAPrune procedure beside the definition, on the same triplets of the default model."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gaprune_viz.analysis.samples import choose_data
from gaprune_viz.calibration.domain_pass import DomainStatistics, calibrate
from gaprune_viz.calibration.progress import drain
from gaprune_viz.calibration.statistics import join
from gaprune_viz.config import Alignment, MaskSpec, RunSpec, Scope
from gaprune_viz.criteria.alignment import align_matrix
from gaprune_viz.criteria.criterion import ResolvedScore, WeightStatistics
from gaprune_viz.criteria.registry import criterion
from gaprune_viz.criteria.scoring import score_weights
from gaprune_viz.data.schema import Triplet
from gaprune_viz.masking.from_statistics import mask_overlap
from gaprune_viz.masking.masks import make_masks
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Target, find_targets
from tests.conformance import published

SIDES = ("domain", "general")
PADDED = 512  # tokens, as in the released code
PAPER_SAMPLES = 5_000
SAMPLED_WEIGHTS = 200_000
Tensors = dict[str, Tensor]


def measure_published(run: RunSpec, samples: int, model: EmbeddingModel) -> dict[str, Any]:
    """The released procedure beside the definition, on the same triplets, scope mlp."""
    spec = run.with_(calibration=run.calibration.with_(samples=samples))
    targets = find_targets(model, Scope.MLP)
    sides = {}
    for side in SIDES:
        triplets = [s for s in choose_data(spec, side, model).samples if isinstance(s, Triplet)]
        # The starter collection lists the queries of one passage together; micro-batches should not.
        random.Random(0).shuffle(triplets)
        sides[side] = triplets
    temperature, budget = spec.calibration.temperature, spec.calibration.token_budget
    exact: dict[str, DomainStatistics] = {
        side: drain(calibrate(model, targets, sides[side], temperature=temperature, token_budget=budget, stage=side))
        for side in SIDES
    }
    ladders, kept = {}, {}
    for side in SIDES:
        ladders[side], kept[side] = ladder(model, targets, sides[side], exact[side].fisher)
    batches = {
        side: published.batch_gradients(model, targets, sides[side], micro_batch=published.PAIRED_BATCH)
        for side in SIDES
    }
    gradients = {side: published.mean_gradient(batches[side]) for side in SIDES}
    real = sum(exact[side].tokens for side in SIDES)
    return {
        "scope": Scope.MLP.value,
        "samples": samples,
        "micro_batch": published.MICRO_BATCH,
        "fisher": ladders,
        "masks": compare_masks(targets, exact, kept, gradients),
        "padding": {
            "tokens": real,
            "padded_tokens": 2 * samples * 3 * PADDED,
            "gradient_change": padding_change(model, targets, sides["domain"][: published.MICRO_BATCH]),
        },
    }


def ladder(
    model: EmbeddingModel, targets: Sequence[Target], triplets: Sequence[Triplet], definition: Mapping[str, Tensor]
) -> tuple[dict[str, Any], Tensors]:
    """Fisher information with the departures added one after the other; and the last of it, as stored."""
    layers = dict.fromkeys(definition, 0)

    def mask(fisher: Mapping[str, Tensor]) -> Tensors:
        scores = {name: values.float() for name, values in fisher.items()}
        return make_masks(scores, layers, MaskSpec(sparsity=0.5)).masks

    reference, mass = mask(definition), published.total(definition)

    def row(fisher: Mapping[str, Tensor]) -> dict[str, float]:
        flat = flatten(fisher)
        return {
            "mass": published.total(fisher) / mass,
            "median": float(flat.median() / flatten(definition).median()),
            "zero": float((flat == 0).double().mean()),
            "overlap": mask_overlap(mask(fisher), reference)[0],
        }

    own = list(published.batch_gradients(model, targets, triplets, in_batch=False))
    squares = published.fisher(own, accumulate=torch.float32, divide_by_samples=False)
    by_samples = {name: values / published.MICRO_BATCH for name, values in squares.items()}
    del own
    shared = list(published.batch_gradients(model, targets, triplets))
    in_batch = published.fisher(shared, accumulate=torch.float32)
    rounded = published.fisher(shared)
    stored = {name: published.stored_fisher(values) for name, values in rounded.items()}
    ratio = row(squares)["mass"]
    m = published.MICRO_BATCH
    found: dict[str, Any] = {
        "steps": {
            "definition": row(definition),
            "micro-batch means squared": row(squares),
            "divided by samples": row(by_samples),
            "in-batch negatives": row(in_batch),
            "bfloat16 sum": row(rounded),
            "plus 1e-8, float16": row(stored),
        },
        "correlation_within_micro_batch": (m * ratio - 1) / (m - 1),
        "long_bfloat16_sum": long_sum([gradients for _, gradients in shared]),
    }
    return found, stored


def long_sum(gradients: Sequence[Mapping[str, Tensor]]) -> dict[str, float]:
    """Mass left in a bfloat16 running sum as long as the paper's, the measured micro-batches taken in turn."""
    terms = PAPER_SAMPLES // published.MICRO_BATCH
    rows = torch.stack([flatten(found) for found in gradients])
    generator = torch.Generator().manual_seed(0)
    rows = rows[:, torch.randint(rows.shape[1], (SAMPLED_WEIGHTS,), generator=generator)]
    squares, low = rows**2, rows.to(torch.bfloat16) ** 2
    total, running = torch.zeros(SAMPLED_WEIGHTS, dtype=torch.float64), torch.zeros_like(low[0])
    for i in range(terms):
        total += squares[i % len(squares)]
        running += low[i % len(low)]
    share = running.double() / total.clamp_min(1e-300)
    return {"terms": terms, "mass": float(running.double().sum() / total.sum()), "median": float(share.median())}


def compare_masks(
    targets: Sequence[Target],
    exact: Mapping[str, DomainStatistics],
    fishers: Mapping[str, Tensors],
    gradients: Mapping[str, Tensors],
) -> dict[str, Any]:
    """The released pipeline's 50 % mask, against exact `dai_released`, `dai` with `sign`, and magnitude."""
    layers = {t.name: t.layer for t in targets}
    numbers = ResolvedScore()
    specs = {"dai_released": Alignment.UNIT_PRODUCT, "magnitude": Alignment.SIGN, "dai": Alignment.SIGN}
    others: dict[str, Tensors] = {name: {} for name in specs}
    theirs, factor = {}, []
    for t in targets:
        name, theta = t.name, t.weight.float()
        aligned = published.stored(published.alignment(gradients["domain"][name], gradients["general"][name]))
        factor.append(aligned.reshape(-1))
        theirs[name] = published.scores(
            published.stored(theta), fishers["domain"][name], fishers["general"][name], aligned
        )
        statistics = join(theta, name, exact["domain"], exact["general"])
        for chosen, kind in specs.items():
            weights = WeightStatistics(
                theta=theta,
                fisher_domain=statistics.fisher_domain,
                fisher_general=statistics.fisher_general,
                alignment=align_matrix(kind, statistics),
            )
            others[chosen][name] = score_weights(criterion(chosen), weights, numbers)
    mask = published.masks(theirs, 0.5)
    made = {k: make_masks(v, layers, MaskSpec(sparsity=0.5)).masks for k, v in others.items()}
    stored = torch.cat(factor)
    return {
        "sparsity": 0.5,
        "overlap": {k: mask_overlap(mask, other)[0] for k, other in made.items()},
        "differing_from_magnitude": sum(int((mask[n] != made["magnitude"][n]).sum()) for n in mask) // 2,
        "weights": int(stored.numel()),
        "stored_alignment_zero": float((stored == 0).double().mean()),
        "stored_alignment_largest": float(stored.abs().max()),
    }


def padding_change(model: EmbeddingModel, targets: Sequence[Target], triplets: Sequence[Triplet]) -> float:
    """Largest relative change of a matrix's gradient when every text is padded to 512 tokens."""
    ((_, short),) = published.batch_gradients(model, targets, triplets)
    ((_, padded),) = published.batch_gradients(model, targets, triplets, pad_to=PADDED)
    return max(float((padded[name] - short[name]).norm() / short[name].norm()) for name in short)


def flatten(tensors: Mapping[str, Tensor]) -> Tensor:
    """All entries, float32 [n]."""
    return torch.cat([values.reshape(-1).float() for values in tensors.values()])
