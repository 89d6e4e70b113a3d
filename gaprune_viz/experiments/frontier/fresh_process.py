"""Embeds texts with a folder in a fresh process that never hears of this package: what anybody would get.

This file is run by itself, and imports nothing of the package.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
import warnings


def eight_bits(model):  # type: ignore[no-untyped-def]
    """Linear layers that multiply in eight bits: weights once, activations as they come (torch's own, dynamic).

    All else is in single precision: torch's layers in eight bits take and give nothing else.
    """
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(model.float(), {torch.nn.Linear}, dtype=torch.qint8)


def held_bytes(model) -> int:  # type: ignore[no-untyped-def]
    """Bytes of everything that a model has to keep."""
    import torch

    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    return buffer.tell()


def main() -> None:
    """Read what to do from standard input, write embeddings and one JSON object."""
    import numpy as np
    from sentence_transformers import SentenceTransformer

    given = json.load(sys.stdin)
    began = time.monotonic()
    model = SentenceTransformer(given["folder"], device="cpu", local_files_only=True)
    if given["max_length"]:
        model.max_seq_length = given["max_length"]
    if given["int8"]:
        model = eight_bits(model)
    loaded = time.monotonic() - began
    for kind, prompt in given["prompts"].items():
        for name, texts in given["texts"][kind].items():
            vectors = model.encode(texts, prompt=prompt, normalize_embeddings=given["unit"], show_progress_bar=False)
            np.save(os.path.join(given["out"], f"{name}-{kind}.npy"), vectors)  # noqa: PTH118
    ours = [name for name in sys.modules if name.split(".")[0] == "gaprune_viz"]
    print(json.dumps({"bytes": held_bytes(model), "loaded": loaded, "ours": ours}))


if __name__ == "__main__":
    main()
