"""`dask worker` whose processes begin with the libraries loaded: one that was ended is back at once.

python -m tests.dask_worker --scheduler-file FILE --nworkers 2 ...
"""

from __future__ import annotations

import multiprocessing

# What a cell needs, loaded once by the process that the workers are forked from.
LOADED = (
    "distributed",
    "torch",
    "transformers",
    "sentence_transformers",
    "gaprune_viz.calibration.progress",
    "gaprune_viz.experiments.executors.worker",
    "gaprune_viz.experiments.recommend",
    "gaprune_viz.experiments.study.runner",
    "gaprune_viz.experiments.sweep",
)


def main() -> None:
    """Take the arguments of `dask worker`."""
    import dask
    from distributed.cli.dask_worker import main as worker
    from distributed.utils import get_mp_context

    dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})
    # It has a list of its own, which it gives once.
    get_mp_context()
    multiprocessing.get_context("forkserver").set_forkserver_preload(list(LOADED))
    worker()


if __name__ == "__main__":
    main()
