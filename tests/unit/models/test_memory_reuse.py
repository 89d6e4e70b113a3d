"""Freed memory is kept where the surroundings would have it given back at once, as Dask's workers do."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = """
import resource, sys, torch
from gaprune_viz.models.memory import reuse
if sys.argv[1] == "reuse":
    reuse()
def round():
    for _ in range(20):
        (torch.zeros(512, 1_024) + 1).sum()
round()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
round()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    """Pages that are mapped anew by work that has been done before, in a process like a worker of Dask."""
    surroundings = {**os.environ, "MALLOC_TRIM_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
    found = subprocess.run(
        [sys.executable, "-c", CODE, how], env=surroundings, capture_output=True, text=True, check=True, timeout=120
    )
    return int(found.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's own settings")
def test_a_worker_of_dask_maps_its_memory_once() -> None:
    assert faults("reuse") < 0.1 * faults("plain")
