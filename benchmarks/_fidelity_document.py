"""docs/fidelity.md from the numbers of fidelity.py. Every number in the text comes from them."""

from __future__ import annotations

from typing import Any

from _document_parts import percent, power, signed, signed_share, table

COMMAND = ".venv/bin/python benchmarks/fidelity.py --write docs/fidelity.md"
SIDES = ("domain", "general")
SCOPES = ("mlp", "linear")
TERMS = ("fisher_domain", "fisher_general", "magnitude", "alignment")


def render(found: dict[str, Any]) -> str:
    """The document, as GitHub Markdown."""
    parts = (_head, _reproduce, _terms, _overlap, _kappa, _alignment, _fisher, _departures, _masks, _limits)
    return "\n\n".join(part(found).strip() for part in parts) + "\n"


def _head(found: dict[str, Any]) -> str:
    mlp, linear = (found["scopes"][scope] for scope in SCOPES)
    over = mlp["overlap_with_magnitude"]
    kappas = [scope["half_variance_kappa"]["alpha 0"]["kappa"] for scope in (mlp, linear)]
    steps = found["published"]["fisher"]["domain"]["steps"]
    last = steps["plus 1e-8, float16"]
    return f"""
# Fidelity: what decides a GAPrune mask

GAPrune ([arXiv 2509.10844](https://arxiv.org/abs/2509.10844)) scores every weight by its domain alignment importance,

$$
\\mathrm{{DAI}}_j=\\left(\\kappa\\,(F_{{d,j}}-\\beta F_{{g,j}})\\,|\\theta_j|
+\\gamma\\sqrt{{|\\theta_j|}}\\right)(1+\\alpha s_j),
$$

where $F_d$ and $F_g$ are diagonal Fisher information on domain and on general triplets and $s$ is the alignment of the
two gradients. The paper has $\\alpha=0.2$, $\\beta=1$, $\\gamma=0.5$; $\\kappa$, a scale of the Fisher term, is ours
and 1 in the paper. This page measures which part of the formula decides the mask of a real model, and how the released
code departs from the definition.

- At the paper's constants the magnitude term is {power(mlp["medians"]["ratio"])} times as large as the Fisher term, in
  the median over the MLP weights.
- `dai_released`, the formula of the released code, prunes {percent(over["dai_released"]["0.5"])} of the weights that
  magnitude pruning prunes (MLP, 50 %). `dai` with alignment `sign` shares {percent(over["dai, sign"]["0.5"])}; without
  alignment (α = 0) it shares {percent(over["dai, alpha 0"]["0.5"])}. So the difference is the sign's, not the Fisher
  information's.
- The two Fisher terms carry half of the variance of DAI from κ = {power(kappas[0])} (MLP) or {power(kappas[1])} (all
  linear matrices) on.
- The released estimate of domain Fisher information holds {percent(last["mass"])} of the defined mass. Used alone, as
  the criterion `fisher_domain`, it gives a 50 % mask that shares {percent(last["overlap"])} with the definition's.
"""


def _reproduce(found: dict[str, Any]) -> str:
    mlp, linear = (found["scopes"][scope] for scope in SCOPES)
    n = found["samples"]
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    return f"""
## How to reproduce

```
{COMMAND}
```

writes this page, and `--json` prints its numbers; everything is seeded. Model: {found["model"]} (weights
{found["weight_hash"][:12]}…). Data: starter collection, {found["domain"]} against {found["general"]}, {n} + {n}
triplets chosen by k-means, seed {found["seed"]}, {mlp["tokens"]["domain"]:,} + {mlp["tokens"]["general"]:,} tokens.
Scope `mlp` is {mlp["weights"]:,} weights in {mlp["matrices"]} matrices, `linear` {linear["weights"]:,} in
{linear["matrices"]}. All counts are over every weight, none over a sample, unless a line says so. Single rows come from
the command line too:

```
gaprune-viz analyze --domain {found["domain"]} --general {found["general"]} --samples {n} --scope mlp --out runs/mlp
gaprune-viz prune runs/mlp --criterion dai_released --sparsity 0.5 --out runs/pruned --json
```

whose output has `overlap_with_magnitude` and `term_shares`. Versions: {versions}.

What holds on any model is asserted on a tiny BERT by
[`tests/conformance/test_published.py`](../tests/conformance/test_published.py), with the released procedure written
again in [`tests/conformance/published.py`](../tests/conformance/published.py).
"""


def _terms(found: dict[str, Any]) -> str:
    every = [(scope, label, shares) for scope in SCOPES for label, shares in _of(found, scope, "term_shares").items()]
    rows = [[f"`{scope}`", _label(label), *(signed_share(shares[t]) for t in TERMS)] for scope, label, shares in every]
    largest = max(abs(shares[t]) for _, _, shares in every for t in TERMS[:2])
    sizes = ("fisher_term", "magnitude_term", "ratio")
    medians = [[f"`{scope}`", *(power(_of(found, scope, "medians")[key]) for key in sizes)] for scope in SCOPES]
    return f"""
## Which term decides

The share of a term $t$ in a score $S$ is $\\mathrm{{Cov}}(t,S)/\\mathrm{{Var}}(S)$ over all weights of the scope; the
shares of a score add up to 1. `alignment` is what the factor adds: $\\alpha s$ times the sum of the other three for
`dai`, and times the Fisher terms alone for `dai_released`. At the paper's constants:

{table(("scope", "criterion", *(f"`{t}`" for t in TERMS)), rows)}

A negative share means that the term works against the order of the score. Neither Fisher term has a share of more than
{power(largest)} in any row: what moves the mask away from magnitude is the alignment factor. The reason is size:

{table(("scope", "median of F_d·abs(θ)", "median of 0.5·√abs(θ)", "ratio"), medians)}
"""


def _overlap(found: dict[str, Any]) -> str:
    first, second = (_of(found, scope, "overlap_with_magnitude") for scope in SCOPES)
    rows = [
        [_label(name), *(percent(values[s]) for values in (first[name], second[name]) for s in ("0.3", "0.5"))]
        for name in first
    ]
    difference = max(
        abs(table_["dai, alpha 0"][s] - table_["dai, unit_product"][s])
        for table_ in (first, second)
        for s in ("0.3", "0.5")
    )
    correlation = _of(found, "mlp", "alignment_factor")["correlation"]["median"]
    return f"""
## Overlap with magnitude pruning

Share of the pruned weights that magnitude pruning prunes too, each with one global threshold, at the paper's constants.
Two unrelated masks share as much as the sparsity itself: see `random`.

{table(("criterion", "mlp, 30 %", "mlp, 50 %", "linear, 30 %", "linear, 50 %"), rows)}

How to read it:

- With α = 0 only Fisher information can move the mask away from magnitude. The largest difference
  of its row from that of `unit_product`, the released alignment, is {power(difference)}.
- `sign` multiplies the score of each weight by 0.8 or 1.2. Where the score is magnitude alone, this is worth a factor
  of $(1.2/0.8)^2=2.25$ in $|\\theta|$, whatever the size of the two gradients.
- `row` and `matrix` give the weights of a row or of a matrix one factor, and so move pruning between rows or matrices.
- `correlation` weighs agreement by how far it stands out of the samples' noise: its median factor is within
  {power(correlation)} of 1 (`mlp`).
- The Fisher, Taylor, OBD and Wanda rows show what masks look like where data decide. `fisher_domain` and
  `fisher_general` share less with magnitude than `random` does.
"""


def _kappa(found: dict[str, Any]) -> str:
    shares = ("fisher_share_found", "magnitude_share_found", "alignment_share_found")
    rows = [
        [f"`{scope}`", label.replace("alpha ", ""), f"{k['kappa']:,.0f}", f"{k['log10_kappa']:.2f}"]
        + [percent(k[share]) for share in shares]
        for scope in SCOPES
        for label, k in _of(found, scope, "half_variance_kappa").items()
    ]
    tails = [_of(found, scope, "tail") for scope in SCOPES]
    half = _of(found, "mlp", "half_variance_kappa")["alpha 0"]["kappa"]
    typical = _of(found, "mlp", "medians")["ratio"] / half
    auto = " and ".join(f"{power(_of(found, scope, 'auto_kappa'))} (`{scope}`)" for scope in SCOPES)
    return f"""
## The κ from which Fisher information counts

With $A=(F_d-\\beta F_g)|\\theta|$, $M=\\gamma\\sqrt{{|\\theta|}}$ and $f=1+\\alpha s$, the share of the two Fisher
terms is $\\mathrm{{Cov}}(\\kappa A,\\,\\kappa Af+Mf)\\,/\\,\\mathrm{{Var}}(\\kappa Af+Mf)$. Setting it to 1/2 gives a
quadratic in $\\kappa$ made of second moments; for $\\alpha=0$ its root is
$\\kappa=\\mathrm{{sd}}(M)/\\mathrm{{sd}}(A)$. The last three columns are counted over all weights at that
$\\kappa$, as a check.

{table(("scope", "α", "κ", "log₁₀ κ", "Fisher terms", "magnitude", "alignment"), rows)}

`--fisher-scale auto` makes the *medians* of $\\kappa F_d|\\theta|$ and $\\sqrt{{|\\theta|}}$ equal instead:
κ = {auto}. It is larger because Fisher information has a heavy tail: 1 % of the entries of
$A$ hold {percent(tails[0])} (`mlp`) and {percent(tails[1])} (`linear`) of its sum of squares. At the κ of the table the
median magnitude term is still {power(typical)} times the median domain Fisher term (`mlp`, α = 0): the typical weight
is ranked by its magnitude although half of the variance is not.
"""


def _alignment(found: dict[str, Any]) -> str:
    rows = []
    for kind in _of(found, "mlp", "alignment_factor"):
        row = [f"`{kind}`"]
        for scope in SCOPES:
            values = _of(found, scope, "alignment_factor")[kind]
            row += [power(values["median"]), power(values["largest"]), percent(values["rounds_to_1"])]
        rows.append(row)
    head = ("alignment", *(f"{scope}: {what}" for scope in SCOPES for what in ("median", "largest", "rounds to 1")))
    published = found["published"]
    masks = published["masks"]
    return f"""
## Alignment

The released code divides each matrix's two mean gradients by their norms, multiplies them entry by entry and averages
over 3×3 windows, with zeros outside the matrix. By Cauchy–Schwarz the absolute products of a matrix of $n$ weights add
up to at most 1, so their mean is at most $1/n$. The table shows $|0.2\\,s|$, and the share of weights for which
$1+0.2\\,s$ is exactly 1 in float32:

{table(head, rows)}

`unit_product` is the released one. Stored in float16, as released (gradients from micro-batches of 2 with in-batch
negatives, {published["samples"]} + {published["samples"]} triplets, `mlp`),
{percent(masks["stored_alignment_zero"])} of its entries are 0 and the largest is
{power(masks["stored_alignment_largest"])}. Near the border this engine averages over the entries inside the
matrix, so there its `unit_product` is 9/6 (edge) or 9/4 (corner) of the released one. `sign` is the per-weight
reading of the paper's text; `correlation`, `row` and `matrix` are ours.
"""


def _fisher(found: dict[str, Any]) -> str:
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


def _departures(found: dict[str, Any]) -> str:
    p = found["published"]
    m, pad = p["micro_batch"], p["padding"]
    rho = [p["fisher"][side]["correlation_within_micro_batch"] for side in SIDES]
    squares = [p["fisher"][side]["steps"]["micro-batch means squared"]["overlap"] for side in SIDES]
    shared = [p["fisher"][side]["steps"]["in-batch negatives"]["overlap"] for side in SIDES]
    long = [p["fisher"][side]["long_bfloat16_sum"] for side in SIDES]
    last = [p["fisher"][side]["steps"]["plus 1e-8, float16"]["zero"] for side in SIDES]
    exact = [[percent(_of(found, scope, "float16_zero")[side]) for side in SIDES] for scope in SCOPES]
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


def _masks(found: dict[str, Any]) -> str:
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


def _limits(found: dict[str, Any]) -> str:
    return f"""
## What this does not show

- It is one encoder with one domain and {found["samples"]} triplets a side; the paper prunes decoders of up to 4 B
  parameters with 5,000. Fisher information depends on the loss and on the model: the page shows term shares and overlap
  with magnitude for your own model at every move of a slider.
- The released code runs the model in bfloat16 and in training mode, pools the last token and pads on the left. None of
  this is repeated here: the default model pools by mean, and its dropout would add noise of another kind.
- The released class rescales the scores of each matrix (z-score) unless told otherwise; the released command line,
  whose default this page follows, does not. The rescaling would change how pruning spreads over matrices. It is
  not measured.
- Nothing here says which mask retrieves better, only that masks which are equal to magnitude's perform as it does.
"""


def _of(found: dict[str, Any], scope: str, key: str) -> Any:
    return found["scopes"][scope][key]


def _label(name: str) -> str:
    """`dai, sign` as a table shows it."""
    criterion, _, rest = name.partition(", ")
    return f"`{criterion}`" + (", α = 0" if rest == "alpha 0" else f", `{rest}`" if rest else "")
