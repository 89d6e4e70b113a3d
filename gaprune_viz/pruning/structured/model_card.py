"""README.md of a model without some of its structures."""

from __future__ import annotations

from typing import Any

from gaprune_viz.errors import readable
from gaprune_viz.models.prompts import told

PAPER = "Tang and Yang, GAPrune: Gradient-Alignment Pruning for Domain-Aware Embeddings, arXiv 2509.10844"


def front_matter(run: dict[str, Any]) -> str:
    """What the Hub reads of a card; the base model where it is one of the Hub's."""
    base = f"base_model: {run['model']['model']}\n" if "/" in run["model"]["model"] else ""
    return f"""---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
{base}tags:
- sentence-transformers
- pruning
- gaprune
---
"""


def structured_card(document: dict[str, Any]) -> str:
    """README.md of such an export."""
    run, found, dense = document["run"], document["structure"], document["dense"]
    data = "\n".join(f"| {side} | {d['name']} | {d['samples']} |" for side, d in document["data"].items())
    tried = "\n".join(
        f"| {row['name']} | {', '.join(f'{side} {share:.1%}' for side, share in row['of_dense'].items())} |"
        for row in found["tried"]
    )
    choice = (
        f"\nWhat was tried, on {found['held_out']} held-out calibration queries, in shares of the dense model:\n\n"
        f"| way | of dense |\n|---|---|\n{tried}\n\nKept: {found['kept']}.\n"
        if found["tried"]
        else ""
    )
    return f"""{front_matter(run)}
# {dense["label"]} with {found["after"]} of {found["before"]} {found["structure"]}{found["where"]}

Made with gaprune_viz, on statistics of {PAPER}.

{document["sentence"]}

| | |
|---|---|
| parameters | {document["model_weights"]:,}; the dense model has {document["dense_weights"]:,} |
| weights on disk | {readable(document["bytes"])} |
| ranked by | {found["ranked_by"]} |
| prompts | {told(dense.get("query_prompt", ""), dense.get("passage_prompt", ""), dense.get("prompts_from", {}))} |
| compares by | {dense.get("similarity", "cosine")} |
| longest text | {dense["max_length"]} tokens |
{choice}
Calibration:

| side | data | samples |
|---|---|---|
{data}

What went is gone: this is a plain model, smaller and faster. `gaprune.json` holds every setting.

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/to/this/folder")
```
"""
