"""README.md of a pruned export."""

from __future__ import annotations

from typing import Any

from gaprune_viz.models.prompts import told
from gaprune_viz.pruning.structured.model_card import PAPER, front_matter, structured_card


def model_card(document: dict[str, Any]) -> str:
    """README.md of a pruned export."""
    if "structure" in document:
        return structured_card(document)
    run, settings = document["run"], document["settings"]
    score, mask = settings["score"], settings["mask"]
    label = document["dense"]["label"]
    data = "\n".join(
        f"| {side} | {d['name']} | {d['samples']} | {_loss(d['mean_loss'])} |" for side, d in document["data"].items()
    )
    return f"""{front_matter(run)}
# {label}, pruned to {document["scope_sparsity"]:.1%} sparsity

Made with gaprune_viz after {PAPER}.

{document["sentence"]}

| | |
|---|---|
| criterion | `{score["criterion"]}` (alignment `{score["alignment"]}`, alpha {score["alpha"]}, beta {score["beta"]}, \
gamma {score["gamma"]}, kappa {document["kappa"]:g}, Fisher power {score["fisher_power"]:g}) |
| mask | {mask["pattern"]}, allocation `{mask["allocation"]}`{_bounds(mask)}{_near(document.get("compact"))} |
| zeros | {document["zeros"]:,} of {document["scope_weights"]:,} weights in scope `{run["calibration"]["scope"]}` |
| sparsity of the whole model | {document["model_sparsity"]:.1%} of {document["model_weights"]:,} parameters |
| kept weights | {_stayed(document)} |
| prompts | {_prompts(document["dense"])} |
| compares by | {document["dense"].get("similarity", "cosine")} |
| longest text | {document["dense"]["max_length"]} tokens, here and in every comparison |
| neurons without input that keep an output | {document.get("waking_neurons", "not counted")} |
| same weights as magnitude pruning | {document["overlap_with_magnitude"]:.2%} of the pruned ones |

Calibration, Fisher information `{run["calibration"].get("fisher", "contrastive")}`:

| side | data | samples | mean loss |
|---|---|---|---|
{data}

The zeros are stored as zeros: this model is as large and as fast as the dense one. `mask.safetensors` holds the mask
(True = kept), `gaprune.json` every setting.

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/to/this/folder")
```
"""


def _loss(value: float | None) -> str:
    return "none: plain texts" if value is None else f"{value:.4f}"


def _near(compact: dict[str, Any] | None) -> str:
    """How far the mask may be from the exact one, where it is from compact statistics."""
    if compact is None:
        return ""
    off = f"{compact['largest_difference']:.2%}"
    return f", from compact statistics: at most {off} of the pruned weights off the exact mask"


def _prompts(dense: dict[str, Any]) -> str:
    """What is put before texts, and who said so; analyses of before did not write who."""
    return told(dense.get("query_prompt", ""), dense.get("passage_prompt", ""), dense.get("prompts_from", {}))


def _stayed(document: dict[str, Any]) -> str:
    """What became of the weights that stayed."""
    if "retrained" in document:
        return "retrained, as told below"
    if (refitted := document.get("refit")) is not None:
        return _refitted(refitted)
    told = document.get("update")
    if told is None:
        return "as they were"
    return f"moved by `{told['criterion']}` as it chose, on {told['tokens']:,} tokens"


def _refitted(told: dict[str, Any]) -> str:
    spec = told["spec"]
    return (
        f"fitted anew in closed form, without training, on {told['tokens']:,} tokens (domain share "
        f"{spec['domain_share']:g}, ridge {told['largest_ridge']:g}); the last block's output is "
        f"{told['block_errors'][-1]:.1%} off the dense model's there"
    )


def _bounds(mask: dict[str, Any]) -> str:
    """Bounds on rows and neurons, where there are some."""
    told = f", at most {mask['row_ceiling']:.0%} of a row" if mask.get("row_ceiling", 1.0) < 1 else ""
    return told + (", whole neurons" if mask.get("whole_neurons") else "")
