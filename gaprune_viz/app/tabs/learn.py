"""Learn: the formula, what its parts mean, and what to be careful about."""

from __future__ import annotations

import gradio as gr

from gaprune_viz.core.scoring import criteria, criterion

ABOUT = r"""
### What GAPrune asks of every weight

A text-embedding model knows more than one domain needs. GAPrune asks each weight $\theta_j$ three things:

1. **Does the domain need it?** The Fisher information $F_{d,j} = \frac1N\sum_i g_{ij}^2$ is the mean squared
   gradient of the contrastive loss on domain samples: how strongly the loss reacts to the weight.
2. **Does everything else need it as well?** The same on general data, $F_{g,j}$.
3. **Do both want the same change?** The alignment $s_j\in[-1,1]$ of the two mean gradients.

Domain-alignment importance puts them together; the lowest scores go first:

$$\mathrm{DAI}_j=\left(\kappa\,(F_{d,j}^{\,p}-\beta F_{g,j}^{\,p})\,|\theta_j|
+\gamma\sqrt{|\theta_j|}\right)(1+\alpha s_j)$$

The paper has $\kappa=1$, $p=1$, $\alpha=0.2$, $\beta=1$, $\gamma=0.5$.

### Why α and β can look dead

On a normal model the Fisher term is about five orders of magnitude smaller than $\gamma\sqrt{|\theta|}$. Then the
score is magnitude in disguise, and only the factor $(1+\alpha s)$ with alignment `sign` reorders anything. Watch
*What decides* while you set κ to `auto`: it makes both terms equally large in the median, and the domain begins to
count.

### Be careful

- **Masks are not speed.** Zeros in a dense matrix cost as much as any other number. Only patterns such as 2:4, on a
  GPU made for them, or whole rows and columns that are taken out, save time.
- **The preview is a sample.** Sliders score up to 262,144 weights. The exact mask is made for every comparison and
  export, and the first card then says how far the preview was off.
- **Small samples wobble.** 128 samples a side show the picture; the paper uses 5,000. Change the seed and look
  again.
- **Second-order criteria need data.** Fisher information of a few samples misses weights that matter elsewhere: after
  a small calibration Optimal Brain Damage can fall far behind plain magnitude, after hundreds of varied samples it
  does not. Compare them in the Sweep tab before you trust either.
- **The sample queries are easy to overfit.** Each passage has two queries, and the intervals treat them as
  independent.

### Words

**Calibration**: the pass over sample texts that collects the statistics. **Sparsity**: the share of weights set to
zero. **Saliency criterion**: the rule that gives each weight a score. **Allocation**: where the sparsity is met
(over everything, in each layer, matrix or row). **nDCG@10**: how well the relevant passage is placed among the
first ten, 1 is best. **MRR@10**: mean of one over the rank of the first relevant passage. **Recall@10**: share of
queries whose relevant passage is among the first ten. **Starved matrix**: more than 95 % of it pruned.

### Cite

Yixuan Tang and Yi Yang. *GAPrune: Gradient-Alignment Pruning for Domain-Aware Embeddings.* arXiv 2509.10844. This
page is not the authors' work.
"""

LATEX = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "$", "right": "$", "display": False},
]


def build_learn() -> gr.Markdown:
    """Lay the tab out; the formula of the chosen criterion comes first and follows the tuning bar."""
    formula = gr.Markdown(formula_text("dai"), latex_delimiters=LATEX, elem_id="gv-formula")
    gr.Markdown(ABOUT, latex_delimiters=LATEX)
    with gr.Accordion("Every criterion", open=False):
        gr.Markdown(
            "\n\n".join(f"**{c.label}** (`{c.name}`): $${c.formula}$$ {c.source}." for c in criteria().values()),
            latex_delimiters=LATEX,
        )
    return formula


def formula_text(name: str) -> str:
    """The formula of a criterion, for Markdown."""
    chosen = criterion(name)
    return f"### Now in use: {chosen.label}\n\n$${chosen.formula}$$\n\n{chosen.source}."
