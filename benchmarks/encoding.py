"""Encoding a corpus: ours beside sentence-transformers' own `encode`, on the same texts and model, in turn.

sentence-transformers takes a number of texts a batch, ours a number of padded tokens; so its batch size is the one of
the two nearest to ours: as many texts as our batches hold on average. The embeddings must agree to 1e-5. The floor is
one multiplication and one addition per weight and real token, padding and attention left out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gaprune_viz.config import STARTER_DOMAINS, ModelSpec
from gaprune_viz.data.starter import starter_passages
from gaprune_viz.models.encoder import ENCODE_TOKENS, EmbeddingModel, token_batches
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import inventory


def main() -> None:
    """Measure, and print one JSON object or a few lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--texts", type=int, default=480, help="passages of the starter collection")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    model = load_model(ModelSpec())
    # Of all lengths: whole passages, their halves and their first words.
    passages = [p.text for domain in STARTER_DOMAINS for p in starter_passages(domain)]
    texts = [" ".join(text.split()[: (200, 25, 8)[i % 3]]) for i, text in enumerate(passages)][: options.texts]
    found = {"benchmark": "encoding", "model": model.label, "threads": torch.get_num_threads()}
    found |= {"load_average": os.getloadavg()[0], **measure(model, texts, options.repeats)}
    print(json.dumps(found, indent=2) if options.json else found)


def measure(model: EmbeddingModel, texts: list[str], repeats: int) -> dict[str, Any]:
    """Median seconds of both, in turn, and the largest difference of their embeddings."""
    lengths = [len(ids) for ids in model.token_ids(texts, "passage")]
    batch = max(1, round(len(texts) / len(list(token_batches(lengths, ENCODE_TOKENS)))))
    theirs_of: dict[str, Any] = {"batch_size": batch, "prompt": model.prompt("passage") or None}
    ways = {
        "ours": lambda: model.encode(texts),
        "theirs": lambda: model.st.encode(texts, normalize_embeddings=True, show_progress_bar=False, **theirs_of),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    vectors = {name: np.asarray(way()) for name, way in ways.items()}
    for turn in range(repeats):
        # Who goes first changes, so that neither always finds the caches of the other.
        for name in sorted(ways, reverse=bool(turn % 2)):
            began = time.perf_counter()
            ways[name]()
            times[name].append(time.perf_counter() - began)
    median = {name: statistics.median(values) for name, values in times.items()}
    flop = 2 * sum(t.size for t in inventory(model).targets) * sum(lengths)
    return {
        "texts": len(texts),
        "tokens": sum(lengths),
        "batch_size": batch,
        **{f"{name}_s": value for name, value in median.items()},
        **{f"{name}_all_s": [round(v, 3) for v in values] for name, values in times.items()},
        "ours_over_theirs": median["ours"] / median["theirs"],
        "largest_difference": float(np.abs(vectors["ours"] - vectors["theirs"]).max()),
        "floor": "2 x weights x real tokens",
        "floor_gflop": flop / 1e9,
        "gflop_per_s": flop / 1e9 / median["ours"],
    }


if __name__ == "__main__":
    main()
