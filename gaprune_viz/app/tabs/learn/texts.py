"""What the Learn tab says: the method, its cautions, the glossary, how to cite the paper."""

from __future__ import annotations

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
"""

WORDS = {
    "Calibration": "The pass over sample texts that collects the statistics of every weight.",
    "Triplet": "A query, a passage that answers it, and a passage that does not but could seem to (a hard negative).",
    "Sparsity": "The share of weights that are set to zero.",
    "Scope": "Which weights may be pruned at all: the MLP, the attention, or both.",
    "Saliency criterion": "The rule that gives each weight a score. The lowest scores go first.",
    "Fisher information": "Mean squared gradient of the loss: how strongly the loss reacts to the weight. "
    "There are two other kinds: of the model's own answers, and of the embeddings.",
    "Alignment s": "Whether the gradients of domain and general data agree (+1) or conflict (−1) at a weight.",
    "κ (kappa)": "Scale of the Fisher term. 1 in the paper; auto makes both terms equally large in the median.",
    "Fisher estimate": "Raw as measured; rank-one from the means of its rows and columns, which evens out noise; "
    "shrunk between the two, nearer to raw the more samples there are.",
    "F̄ (equal sides)": "Mean Fisher information of one side over the scope. A criterion that divides by it weighs "
    "domain and general data alike, however large their gradients are.",
    "Term share": "How much of the variance of the score comes from one of its terms.",
    "Allocation": "Where the sparsity is met: over the whole scope, or in each layer, matrix or row.",
    "N:M pattern": "N of every M consecutive inputs are kept, which some GPUs can run faster.",
    "Starved": "More than 95 % pruned: a whole matrix, or a row, which is then all but gone.",
    "Neuron that wakes": "An MLP neuron that loses nearly all its inputs but keeps an output: only its bias is left, "
    "and it answers every text alike.",
    "Whole neurons": "A neuron that loses nearly all its inputs loses its outputs too.",
    "Sketch": "A sample of the weights, spread over all matrices, which the sliders score.",
    "Exact mask": "The mask over every weight; made for comparisons, exports and the Matrix tab.",
    "nDCG@10": "How well the relevant passages are placed among the first ten; 1 is best.",
    "MRR@10": "Mean of one over the rank of the first relevant passage, 0 beyond the tenth.",
    "Recall@10": "Share of the relevant passages that are among the first ten.",
    "Drift": "How far the embeddings of the same texts have moved.",
}
CITE = """@article{tang2025gaprune,
  title   = {GAPrune: Gradient-Alignment Pruning for Domain-Aware Embeddings},
  author  = {Tang, Yixuan and Yang, Yi},
  journal = {arXiv preprint arXiv:2509.10844},
  year    = {2025}
}"""
