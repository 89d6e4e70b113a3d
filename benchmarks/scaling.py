"""What calibrating Qwen3-Embedding 0.6B, 4B and 8B would take, computed by `plan()` from their shapes alone.

5,000 samples a side, as in the paper, of three texts of 64 tokens, MLP weights, bfloat16. The floor of the time is the
number of operations; the seconds are those of this machine's processor.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gaprune_viz.calibration.memory_plan import Passes, Plan, measure_speed, plan
from gaprune_viz.models.skeleton import Skeleton

LENGTH, SAMPLES, BUDGET = 64, 5_000, 4_096
# hidden, layers, intermediate, heads, vocabulary; 8 key-value heads of 128 in all.
MODELS = {
    "Qwen3-Embedding-0.6B": (1_024, 28, 3_072, 16, 151_669),
    "Qwen3-Embedding-4B": (2_560, 36, 9_728, 32, 151_665),
    "Qwen3-Embedding-8B": (4_096, 36, 12_288, 32, 151_665),
}


def main() -> None:
    """Compute, and print one JSON object or a few lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    speed = measure_speed()
    found: dict[str, Any] = {
        "benchmark": "scaling",
        "load_average": os.getloadavg()[0],
        "operations_per_s": speed.products,
        "models": {name: row(planned(*shape)) for name, shape in MODELS.items()},
    }
    print(json.dumps(found, indent=2) if options.json else found)


def planned(hidden: int, layers: int, intermediate: int, heads: int, vocabulary: int) -> Plan:
    """The plan of one shape."""
    import transformers

    config = transformers.Qwen3Config(
        hidden_size=hidden,
        num_hidden_layers=layers,
        intermediate_size=intermediate,
        num_attention_heads=heads,
        num_key_value_heads=8,
        head_dim=128,
        vocab_size=vocabulary,
    )
    skeleton = Skeleton(config, torch.bfloat16)
    passes = Passes(((BUDGET // LENGTH, LENGTH),), 2 * SAMPLES * 3 * LENGTH, 2 * SAMPLES)
    return plan(skeleton, skeleton.targets("mlp"), lambda budget: passes, BUDGET, None, measure_speed())


def row(found: Plan) -> dict[str, float | None]:
    """The numbers of a plan."""
    keys = ("parameters", "weights", "model_bytes", "sums_bytes", "batch_bytes", "peak_bytes", "disk_bytes", "flops")
    return {**{key: getattr(found, key) for key in keys}, "seconds": found.seconds}


if __name__ == "__main__":
    main()
