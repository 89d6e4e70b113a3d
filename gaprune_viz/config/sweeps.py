"""What a sweep runs over: two settings, their names for people and their usual values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SweepKind:
    """One kind of sweep: two settings whose values span a grid, the rest staying as it is.

    Attributes:
        label: what it is called.
        row, column: names of the two settings; `row` of a criteria sweep is a criterion.
        row_label, column_label: the same for people. row_symbol, column_symbol: before a value.
        rows, columns: the usual values, as they are typed.
        sentence: what it answers.
    """

    label: str
    row: str
    column: str
    row_label: str
    column_label: str
    row_symbol: str
    column_symbol: str
    rows: str
    columns: str
    sentence: str


EVERY_TENTH = "0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9"
SWEEP_KINDS = {
    "criteria": SweepKind(
        "Criteria × sparsity",
        *("criterion", "sparsity", "Criterion", "Sparsity", "", ""),
        rows="magnitude, dai, obd_joint, fisher_domain",
        columns=EVERY_TENTH,
        sentence="How much can go, and which criterion chooses best?",
    ),
    "alpha": SweepKind(
        "α × sparsity",
        *("alpha", "sparsity", "Alignment weight α", "Sparsity", "α", ""),
        rows="0, 0.2, 0.5, 1",
        columns=EVERY_TENTH,
        sentence="Does the alignment of the gradients matter?",
    ),
    "kappa": SweepKind(
        "κ × β",
        *("fisher_scale", "beta", "Fisher scale κ", "General Fisher β", "κ", "β"),
        rows="1, 100, 10000, 1000000, auto",
        columns="0, 0.3, 0.6, 1",
        sentence="How large must the Fisher term be, and how much of the general one may be subtracted?",
    ),
    "samples": SweepKind(
        "Samples × seeds",
        *("samples", "seed", "Samples per side", "Seed", "n", "seed"),
        rows="8, 32, 128",
        columns="0, 1, 2",
        sentence="How far does the result depend on the calibration data? Every cell is an analysis of its own.",
    ),
}
# What `below` means in the line under the chart: this share of the dense model's nDCG@10.
ENOUGH = 0.95
