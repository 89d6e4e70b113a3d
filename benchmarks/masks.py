"""What an exact mask costs: beside one numpy partition of the same scores, and streamed where scores cannot be held.

The floor of the small one is one read and one write of the scores (8 bytes a weight) and the partition itself; of the
streamed one, three computations of every score, because none is kept, and one byte of mask a weight.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gaprune_viz.config import MaskSpec
from gaprune_viz.masking import masks

COLUMNS = 1_000
SPEC = MaskSpec(sparsity=0.5)


def main() -> None:
    """Measure, and print one JSON object or a few lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--largest", type=int, default=1_000_000_000, help="weights of the streamed mask")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(streamed(options.largest)))
        return
    command = [sys.executable, __file__, "--child", "--largest", str(options.largest)]
    found = {
        "benchmark": "masks",
        "load_average": os.getloadavg()[0],
        "threads": torch.get_num_threads(),
        "held": held(10_000_000, options.repeats),
        "streamed": json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout),
    }
    print(json.dumps(found, indent=2) if options.json else found)


def scores_of(index: int, rows: int) -> torch.Tensor:
    """Scores of one matrix [rows, 1000], the same at each call."""
    return torch.from_numpy(np.random.default_rng(index).standard_normal((rows, COLUMNS), dtype=np.float32))


def held(weights: int, repeats: int) -> dict[str, Any]:
    """Mask and partition in turn; and the streamed way on the same scores, bit for bit."""
    scores = {str(i): scores_of(i, weights // 10 // COLUMNS) for i in range(10)}
    layers = dict.fromkeys(scores, 0)
    flat = torch.cat([s.reshape(-1) for s in scores.values()]).numpy()
    times: dict[str, list[float]] = {"mask": [], "partition": []}
    for _ in range(repeats):
        began = time.perf_counter()
        result = masks.make_masks(scores, layers, SPEC)
        times["mask"].append(time.perf_counter() - began)
        began = time.perf_counter()
        np.partition(flat, flat.size // 2 - 1)
        times["partition"].append(time.perf_counter() - began)
    with patch.object(masks, "HELD_TOGETHER", 0):
        other = masks.make_masks(scores, layers, SPEC)
    median = {name: statistics.median(values) for name, values in times.items()}
    return {
        "weights": flat.size,
        **{f"{name}_s": value for name, value in median.items()},
        "mask_over_partition": median["mask"] / median["partition"],
        "streamed_is_the_same": all(torch.equal(result.masks[n], other.masks[n]) for n in scores),
        "zeros": masks.zeros_of(result.masks),
        "floor_bytes": 8 * flat.size,
    }


def streamed(weights: int) -> dict[str, Any]:
    """A mask of scores that are computed anew at each pass; the peak is the kernel's count for this process."""
    rows = 10_000
    count = weights // (rows * COLUMNS)
    shapes = {str(i): (rows, COLUMNS) for i in range(count)}
    began = time.perf_counter()
    with patch.object(masks, "HELD_TOGETHER", 0):
        result = masks.make_masks_streaming(
            lambda name: scores_of(int(name), rows), shapes, dict.fromkeys(shapes, 0), SPEC
        )
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return {
        "weights": count * rows * COLUMNS,
        "seconds": time.perf_counter() - began,
        "peak_bytes": int(peak.split()[1]) * 1024,
        "zeros": masks.zeros_of(result.masks),
        "floor_bytes": count * rows * COLUMNS,
    }


if __name__ == "__main__":
    main()
