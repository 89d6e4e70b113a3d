"""The sections of docs/fidelity.md on the released code: its Fisher information, its departures, its masks."""

from __future__ import annotations

from typing import Any

from _document_parts import percent, power, signed, table

SIDES = ("domain", "general")
SCOPES = ("mlp", "linear")


def fisher(found: dict[str, Any]) -> str:
    p = found["published"]
    m, n = p["micro_batch"], p["samples"]
    explained = {
        "definition": "definition (this tool)",
        "micro-batch means squared": f"square of the mean gradient of {m} samples, mean over micro-batches",
        "divided by samples": "divided by the number of samples, not of micro-batches",
        "in-batch negatives": "the micro-batch's other positives and negatives as candidates",
        "bfloat16 sum": "gradients, squares and running sum in bfloat16",
        "plus 1e-8, float16": "1e-8 added, stored in float16",
    }
    columns = ("mass", "median", "zero", "overlap")
    rows = [
        [text, *(percent(p["fisher"][side]["steps"][step][c]) for side in SIDES for c in columns)]
        for step, text in explained.items()
    ]
    return f"""
## Fisher information in the released code

The definition is $F_j=\\frac1N\\sum_i(\\partial\\ell_i/\\partial\\theta_j)^2$ over samples $i$, in float32. The
released code departs from it in five ways, added below one after the other (scope `mlp`, {n} + {n} triplets in random
order). *mass* (sum over all weights) and *median* are relative to the definition; *zero* is the share of entries
that are 0; *overlap* is the share that the 50 % mask by this Fisher information alone has with the mask by the
definition.

{table(("with all the steps above", *(f"{side}: {c}" for side in SIDES for c in columns)), rows)}
"""


def departures(found: dict[str, Any]) -> str:
    p = found["published"]
    m, pad = p["micro_batch"], p["padding"]
    rho = [p["fisher"][side]["correlation_within_micro_batch"] for side in SIDES]
    squares = [p["fisher"][side]["steps"]["micro-batch means squared"]["overlap"] for side in SIDES]
    shared = [p["fisher"][side]["steps"]["in-batch negatives"]["overlap"] for side in SIDES]
    long = [p["fisher"][side]["long_bfloat16_sum"] for side in SIDES]
    last = [p["fisher"][side]["steps"]["plus 1e-8, float16"]["zero"] for side in SIDES]
    exact = [[percent(found["scopes"][scope]["float16_zero"][side]) for side in SIDES] for scope in SCOPES]
    n = found["samples"]
    return f"""
What each means (numbers: domain, then general):

- **Squares of micro-batch means.** $\\mathbb{{E}}\\,\\bar g^2=\\frac{{1+(m-1)\\rho}}{{m}}\\,\\mathbb{{E}}\\,g^2$, where
  $\\rho$ is the mean correlation of the gradients of two samples in a micro-batch of $m$. Measured: ρ =
  {signed(rho[0])} and {signed(rho[1])}. Samples are as good as uncorrelated, so close to 1/{m} of the mass is left.
  The scale alone would change no order. But $N$ samples now give $N/{m}$ squares, and the estimate is noisier: its mask
  shares {percent(squares[0])} and {percent(squares[1])} with the definition's.
- **Division by samples.** The sum runs over micro-batches and is divided by the number of samples: exactly 1/{m}. No
  order changes, but the Fisher term shrinks once more against $\\sqrt{{|\\theta|}}$.
- **In-batch negatives.** Another loss: more candidates for each query. Its samples depend on each other, so per-sample
  Fisher information is not defined for it, and the micro-batch size becomes part of the objective. Overlap
  {percent(shared[0])} and {percent(shared[1])}.
- **bfloat16 sum.** Over the {p["samples"] // m} micro-batches here it is rounding. But a bfloat16 sum stands still once
  it is 2⁸ to 2⁹ times its next term. Taking the same micro-batches in turn up to the paper's {long[0]["terms"]:,}
  (a random sample of weights), it keeps {percent(long[0]["mass"])} and {percent(long[1]["mass"])} of the mass.
- **float16 storage.** Values up to 2⁻²⁵ ≈ 3.0 × 10⁻⁸ become 0, and those under 2⁻¹⁴ ≈ 6.1 × 10⁻⁵ lose digits. Here
  {percent(last[0])} and {percent(last[1])} of the entries become 0. Of the definition's entries at {n} + {n} triplets
  float16 would lose {exact[0][0]} and {exact[0][1]} (`mlp`), {exact[1][0]} and {exact[1][1]} (`linear`). Equal entries
  are ranked by their position.

The released code also pads every text to 512 tokens. This changes no gradient (the largest relative change of a matrix
is {power(pad["gradient_change"])}), only the work: {pad["padded_tokens"]:,} positions for {pad["tokens"]:,} real ones,
{pad["padded_tokens"] / pad["tokens"]:.1f} times as many, on these short texts.
"""


def masks(found: dict[str, Any]) -> str:
    masks = found["published"]["masks"]
    names = {
        "dai_released": "`dai_released`: the same formula on exact statistics",
        "magnitude": "magnitude",
        "dai": "`dai` with `sign` on exact statistics",
    }
    rows = [[text, percent(masks["overlap"][key])] for key, text in names.items()]
    return f"""
## The whole released pipeline

Fisher information and alignment as stored, float16 weights, the released score, one global threshold at 50 %: against
masks that this engine makes from exact statistics of the same triplets (scope `mlp`):

{table(("released mask, overlap with", "share"), rows)}

{masks["differing_from_magnitude"]:,} of {masks["weights"]:,} weights are pruned by the released pipeline and kept by
magnitude. Against `dai_released`, all the departures of the section before, float16 weights included, move
{percent(1 - masks["overlap"]["dai_released"])} of the pruned weights: an error in a term without weight is not
seen. They
matter as soon as the term does, as the overlaps of the Fisher masks above show. That is why this engine computes the
definition. Softplus is monotone and changes no mask (asserted by the
conformance test).
"""
