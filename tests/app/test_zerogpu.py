"""Analyses on ZeroGPU: with a package `spaces` on the path that forks, as the real one does."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from gaprune_viz.analysis.opening import open_analysis
from gaprune_viz.calibration.progress import Progress, iterate
from gaprune_viz.config import CalibrationSpec, ModelSpec, RunSpec
from gaprune_viz.jobs import zerogpu

# What Hugging Face documents of `spaces.GPU`: a decorator with a duration; a generator's values come back pickled.
SPACES = """
import functools
import pickle

lent = []


def GPU(duration=60):
    def decorate(function):
        lent.append((function.__name__, duration))

        @functools.wraps(function)
        def run(*values):
            values = pickle.loads(pickle.dumps(values))
            for step in function(*values):
                yield pickle.loads(pickle.dumps(step))

        return run

    return decorate
"""


def test_an_analysis_runs_in_a_function_that_has_the_card(
    tmp_path: Path, tiny_bert: Path, tiny_triplets: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not zerogpu.available()
    (tmp_path / "spaces.py").write_text(SPACES)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("GAPRUNE_VIZ_WORKSPACE", str(tmp_path / "workspace"))
    importlib.invalidate_caches()
    domain, general = map(str, tiny_triplets)
    run = RunSpec(
        model=ModelSpec(model=str(tiny_bert)), calibration=CalibrationSpec(domain=domain, general=general, samples=4)
    )
    try:
        importlib.reload(zerogpu)
        assert zerogpu.available()
        steps: list[Progress] = []
        box: list[str] = []
        steps.extend(iterate(zerogpu.analysis(run), box))
        assert sys.modules["spaces"].lent == [("steps_of", zerogpu.LENT_SECONDS)]
        assert open_analysis(Path(box[0])).run == run
        assert steps[-1].stage == "Writing"
    finally:
        sys.modules.pop("spaces", None)
        monkeypatch.undo()
        importlib.invalidate_caches()
        importlib.reload(zerogpu)
