"""The guided tour: ten steps, each an address to go to, a part of the page to look at, and a few sentences."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        title, text: what is said.
        query: the state that the page is set to; settings that it does not name are the paper's.
        target: id of the part that is pointed at.
        rank: whether the query of the step is ranked once its state is there.
    """

    title: str
    text: str
    query: str
    target: str
    rank: bool = False


SEARCH = "preset=balanced&tab=retrieval&task=chemistry&pick=chemistry-corrosion-protection-3-q1"
"""The query of which the tour shows both rankings."""

STEPS = (
    Step(
        "One finished analysis",
        "A small embedding model, a domain (chemistry) and general text. Half of the MLP weights would go, by the "
        "paper's own settings. The blue sentence says what decides which half; it follows every control.",
        "tab=atlas&metric=pruned_fraction&at=0-up",
        "gv-headline",
    ),
    Step(
        "What Fisher sees",
        "Each cell is a weight matrix, coloured by its Fisher information on chemistry: how strongly the loss reacts "
        "to its weights. Walk through the cells with the arrow keys; everything below follows the selected one.",
        "tab=atlas&metric=fisher_domain_mean&at=2-up",
        "gv-atlas",
    ),
    Step(
        "Where domains disagree",
        "The cosine of the two mean gradients. Below zero, chemistry and general text pull a matrix in opposite "
        "directions; near zero, they want different things. GAPrune's idea is to let go of weights in conflict.",
        "tab=atlas&metric=alignment_cosine&at=5-down",
        "gv-atlas",
    ),
    Step(
        "Why α looks dead",
        "This is what the published code computes. Its alignment is so small that 1 + α s is 1.0, and its Fisher "
        "term is far smaller than √|θ|. Move α: the mask stays the one of plain magnitude pruning. See the third card.",
        "criterion=dai_released&tab=atlas&metric=pruned_fraction",
        "gv-headline",
    ),
    Step(
        "What κ does",
        "κ scales the Fisher term. Set to auto it makes both terms equally large in the median: now the domain "
        "decides, and the mask leaves magnitude pruning far behind. With β at 1 it even throws away what both need.",
        "fisher-scale=auto&tab=atlas&metric=pruned_fraction",
        "gv-reasons",
    ),
    Step(
        "Whom a weight serves",
        "To the right are weights that chemistry needs more, to the left those that general text needs more; above "
        "zero both sides want the same change. The table counts the four kinds and what this setting would prune.",
        "preset=balanced&tab=distributions",
        "gv-kinds",
    ),
    Step(
        "Ask both models",
        "One question to the dense model and to the pruned one, side by side: arrows say which passages moved. Compare "
        "searches the whole collection; here the fifty best passages are ranked anew, which takes a moment.",
        f"{SEARCH}&sparsity=0.6",
        "gv-ranking",
        rank=True,
    ),
    Step(
        "Play",
        "Press Play, or Space when it has the focus: the sparsity walks from 0 to 90 % and back, and the ranking, the "
        "atlas and the sentence follow. Watch where the right passages leave. Escape, or your hand on a slider, stops.",
        f"{SEARCH}&sparsity=0.6",
        "gv-play",
        rank=True,
    ),
    Step(
        "When retrieval breaks",
        "Masks look harmless until something is searched for. A sweep prunes and searches at many sparsities: run it, "
        "and find where the curve falls. Afterwards the bar of the sparsity slider shows the place.",
        "preset=balanced&sparsity=0.7&tab=sweep",
        "gv-sweep-run",
    ),
    Step(
        "What 100 steps repair",
        "A short training under the mask wins most of the loss back. Measured on this model with a larger set: "
        "balanced at 70 % has 87 % of the dense nDCG@10 on the domain, and 98 % after 100 steps; on general text 86 % "
        "become 93 %. Export gives you the pruned model and the commands to try it.",
        "preset=balanced&sparsity=0.7&tab=export",
        "gv-export",
    ),
)


def script() -> str:
    """The steps for the page's script, safe inside a script element."""
    steps = json.dumps([asdict(step) for step in STEPS], ensure_ascii=False).replace("</", "<\\/")
    return f"window.gvTour = {steps};"
