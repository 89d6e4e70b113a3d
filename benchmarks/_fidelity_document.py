"""docs/fidelity.md from the numbers of fidelity.py. Every number in the text comes from them."""

from __future__ import annotations

from typing import Any

from _document_parts import percent, power, signed_share, table
from _fidelity_released import SCOPES, departures, fisher, masks

COMMAND = ".venv/bin/python benchmarks/fidelity.py --write docs/fidelity.md"
TERMS = ("fisher_domain", "fisher_general", "magnitude", "alignment")


def render(found: dict[str, Any]) -> str:
    """The document, as GitHub Markdown."""
    parts = (_head, _reproduce, _terms, _overlap, _kappa, _alignment, fisher, departures, masks, _limits)
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
