"""What the atlas can show: each metric's name, unit, help and scale."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gaprune_viz.figures.kit import scales

ROLE_ORDER = (
    "query",
    "key",
    "value",
    "fused_qkv",
    "attention_output",
    "gate",
    "up",
    "fused_gate_up",
    "down",
    "other",
)
ROLE_LABELS = {
    "query": "Query",
    "key": "Key",
    "value": "Value",
    "fused_qkv": "QKV",
    "attention_output": "Attn out",
    "gate": "Gate",
    "up": "Up",
    "fused_gate_up": "Gate+up",
    "down": "Down",
    "other": "Other",
    "attention": "Attention",
    "mlp": "MLP",
}
# What the page calls the criteria that come with it; one of somebody's own keeps its name.
CRITERION_LABELS = {
    "dai": "DAI",
    "dai_released": "DAI, published code",
    "magnitude": "Magnitude",
    "random": "Random",
    "fisher_domain": "Domain Fisher",
    "fisher_general": "General Fisher",
    "taylor_domain": "Domain Taylor",
    "obd_domain": "Domain OBD",
    "obd_joint": "Joint OBD",
    "obd_equal": "Joint OBD, equal sides",
    "joint": "Joint importance",
    "sparsegpt": "SparseGPT",
    "wanda": "Wanda",
    "gga": "Gradient agreement",
    "dsp": "DSP sensitivity",
    "fisher_worst": "Worst-source Fisher",
}
BLOCKS = dict.fromkeys(("query", "key", "value", "fused_qkv", "attention_output"), "attention")


@dataclass(frozen=True)
class Metric:
    """One way to colour the atlas.

    Attributes:
        key: column of the matrix table.
        label, help, unit: for people.
        kind: `sequential` (drawn on log10 where `log` is set), `diverging` (symmetric about 0), `fraction` (0 to 1) or
            `agreement` (a fraction, symmetric about the 0.5 of chance).
        log: whether the colours follow log10.
    """

    key: str
    label: str
    help: str
    unit: str
    kind: str
    log: bool = False


METRICS = {
    metric.key: metric
    for metric in (
        Metric(
            "pruned_fraction",
            "Pruned fraction",
            "Share of the matrix's weights that would go.",
            "of the weights",
            "fraction",
        ),
        Metric(
            "rows_gone",
            "Rows all but gone",
            "Share of output rows that lose over 95 % of their inputs. Only the exact mask tells: known once it is "
            "made for these settings, as by a look into the Matrix tab.",
            "of the rows",
            "fraction",
        ),
        Metric(
            "score_mean",
            "Mean score",
            "Mean of the criterion's score over the matrix: higher means keep.",
            "score",
            "sequential",
        ),
        Metric(
            "fisher_domain_mean",
            "Fisher, domain",
            "Mean Fisher information on domain data: how much the domain loss reacts.",
            "squared gradient",
            "sequential",
            True,
        ),
        Metric(
            "fisher_general_mean",
            "Fisher, general",
            "Mean Fisher information on general data.",
            "squared gradient",
            "sequential",
            True,
        ),
        Metric(
            "fisher_ratio_log10",
            "Fisher ratio",
            "log10 of domain over general Fisher information: above 0 the domain needs the matrix more.",
            "log10",
            "diverging",
        ),
        Metric(
            "alignment_cosine",
            "Alignment cosine",
            "Cosine of the domain and the general mean gradient: do both want the same change?",
            "cosine",
            "diverging",
        ),
        Metric(
            "sign_agreement",
            "Sign agreement",
            "Share of weights whose two gradients have the same sign; 0.5 is chance.",
            "of the weights",
            "fraction",
        ),
        Metric(
            "source_agreement",
            "Agreement of sources",
            "How far the gradients of all sources have one sign, in the mean over the weights: 1 where all agree, 0 "
            "where half of them pull the other way. Chance gives 0.5 of two or three sources, 0.375 of four or five. "
            "From the sketch.",
            "of the sources",
            "sequential",
        ),
        Metric("theta_abs_mean", "Mean |θ|", "Mean absolute weight.", "weight", "sequential"),
    )
}


def scale_of(metric: Metric, values: list[float], *, log: bool | None = None) -> tuple[scales.Scale, bool]:
    """The colour scale of a metric over some values, and whether it is on log10 of them."""
    use_log = metric.log if log is None else log
    finite = [v for v in values if math.isfinite(v) and (v > 0 or not use_log)]
    shown = [math.log10(v) for v in finite] if use_log else finite
    if metric.kind == "fraction":
        return scales.Scale(scales.FRACTION, 0.0, 1.0), False
    if metric.kind == "agreement":
        reach = max((abs(v - 0.5) for v in shown), default=0.5) or 0.5
        return scales.Scale(scales.DIVERGING, 0.5 - reach, 0.5 + reach), False
    if metric.kind == "diverging":
        reach = max((abs(v) for v in shown), default=1.0) or 1.0
        return scales.Scale(scales.DIVERGING, -reach, reach), use_log
    low, high = (min(shown), max(shown)) if shown else (0.0, 1.0)
    if not high > low:
        low, high = low - 0.5, high + 0.5
    return scales.Scale(scales.SEQUENTIAL, low, high), use_log
