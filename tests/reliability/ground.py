"""What faults are injected into: a workspace with a finished run, a tiny model, and processes that can be disturbed."""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.reliability.forked import Job
from tests.tiny_models import build

ROOT = Path(__file__).resolve().parents[2]
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
# Of the run that no fault may cost.
KEPT_SEED = 1_000
LONGEST_MESSAGE = 260


@dataclass(frozen=True)
class Outcome:
    """What a fault did."""

    fault: str
    injected: str
    found: str
    said: str
    held: bool


class Ground:
    """A workspace with one finished run in it, and what became of the faults so far."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.folder = Path(tempfile.mkdtemp(prefix="gaprune-chaos-"))
        self.model = build(self.folder / "model", "bert")
        self.workspace = self.folder / "workspace"
        self.outcomes: list[Outcome] = []
        os.environ.update(OFFLINE, GAPRUNE_VIZ_WORKSPACE=str(self.workspace))
        code, text = self.start(seed=KEPT_SEED).finish()
        assert code == 0, text
        self.kept = place_of(text)

    def start(self, *, seed: int, **asked: Any) -> Job:
        """A process that makes an analysis, and what is asked for beyond it."""
        usual = {"model": self.model, "what": "analysis", "limit": 0, "budget": 0, "domain": "finance"}
        ask = {"seed": seed, "workspace": self.workspace, **usual, **asked}
        return Job({name: str(value) if isinstance(value, Path) else value for name, value in ask.items()})

    def kill_at(self, job: Job, stage: str, least: int = 0) -> bool:
        """SIGKILL once a stage is reached, after a random moment; False where the process ended before."""
        for line in job.lines:
            if line.startswith(f"STAGE {stage}") and int(line.rsplit(" ", 1)[1]) >= least:
                time.sleep(self.random.random() * 0.02)
                job.kill()
                break
        job.process.join()
        return job.process.exitcode == -signal.SIGKILL

    def whole_or_none(self) -> bool:
        """Every analysis in the workspace is as it was written, the kept one among them."""
        from gaprune_viz.analysis.opening import verify_analysis
        from gaprune_viz.errors import GapruneError

        try:
            for folder in self.workspace.glob("analysis-*"):
                verify_analysis(folder)
        except GapruneError:
            return False
        return self.kept.is_dir()

    def leftovers(self) -> int:
        return len(list(self.workspace.glob(".unfinished-*")))

    def refused(self, fault: str, injected: str, job: Job, found: str, *, must: str = "") -> None:
        """A run that has to end with one clear line, and to leave earlier results whole and nothing of its own."""
        code, text = job.finish()
        said = line_of(text, "SAID")
        clear = code == 2 and bool(said) and must in said and "Traceback" not in text
        self.tell(fault, injected, found, said or text[-300:], clear and self.whole_or_none() and not self.leftovers())

    def tell(self, fault: str, injected: str, found: str, said: str, held: bool) -> None:
        said = " ".join(said.replace("SAID ", "").replace(str(self.folder), "…").split())[:LONGEST_MESSAGE]
        self.outcomes.append(Outcome(fault, injected, found, said, held))
        print(f"{'held' if held else 'LOST':<5} {fault} ({injected}): {found}. {said}", file=sys.stderr, flush=True)


def line_of(text: str, start: str) -> str:
    """The first line with some beginning, or nothing."""
    return next((line for line in text.splitlines() if line.startswith(start)), "")


def place_of(text: str) -> Path:
    """Where a process put its result."""
    return Path(line_of(text, "WHOLE").removeprefix("WHOLE "))
