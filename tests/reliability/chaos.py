"""Inject one fault after another and say what happened: `make chaos`.

Every run of an analysis here is a process of its own with the command's own code, on a tiny model; faults are real
ones (a signal, a limit of the kernel, a changed file). The choice of moments is seeded.

    python tests/reliability/chaos.py [--seed 0] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

WORKER = """
import resource, sys
from gaprune_viz.config import CalibrationSpec, ModelSpec, RunSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.pipeline import analyze, drain, verify_analysis
from gaprune_viz.sweep import SweepPlan, sweep

model, seed, what, limit = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
run = RunSpec(model=ModelSpec(model=model, device="cpu"),
              calibration=CalibrationSpec(domain="finance", samples=24, sampling="random", seed=seed, token_budget=512))

def told(work):
    box = []
    def inner():
        box.append((yield from work))
    for step in inner():
        print("STAGE", step.stage, step.done, flush=True)
    return box[0]

try:
    if limit:
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    place = told(analyze(run))
    if what == "sweep":
        plan = SweepPlan("criteria", ("magnitude", "obd_joint"), (0.3, 0.5), ("finance", "general"))
        frame = told(sweep(place, plan))
        print("CELLS", frame.round(9).to_json(), flush=True)
    verify_analysis(place)
    print("WHOLE", place, flush=True)
except GapruneError as error:
    print("SAID", error, flush=True)
    sys.exit(2)
"""


@dataclass(frozen=True)
class Outcome:
    """What a fault did."""

    fault: str
    result: str
    held: bool


class Chaos:
    """A workspace, a tiny model, and processes that are disturbed."""

    def __init__(self, seed: int) -> None:
        from tests.tiny_models import build

        self.random = random.Random(seed)
        self.folder = Path(tempfile.mkdtemp(prefix="gaprune-chaos-"))
        self.model = build(self.folder / "model", "bert")
        self.workspace = self.folder / "workspace"
        self.outcomes: list[Outcome] = []
        # A finished run that no fault may cost.
        code, text = self.finish(self.start(seed=1_000))
        assert code == 0, text
        self.kept = self.place(text)

    def start(self, *, seed: int, what: str = "analysis", limit: int = 0, **options: object) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "GAPRUNE_VIZ_WORKSPACE": str(self.workspace),
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-c", WORKER, str(self.model), str(seed), what, str(limit)]
        return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, **options
        )

    def finish(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        text, _ = process.communicate(timeout=300)
        return process.returncode, text

    def place(self, text: str) -> Path:
        return Path(next(line for line in text.splitlines() if line.startswith("WHOLE")).removeprefix("WHOLE "))

    def kill_at(self, process: subprocess.Popen[str], stage: str, least: int = 0) -> bool:
        """SIGKILL once a stage is reached, after a random moment; False where the process ended before."""
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(f"STAGE {stage}") and int(line.rsplit(" ", 1)[1]) >= least:
                time.sleep(self.random.random() * 0.02)
                process.send_signal(signal.SIGKILL)
                process.wait()
                return True
        process.wait()
        return False

    def whole_or_none(self) -> bool:
        """Every analysis in the workspace is as it was written, the kept one among them."""
        from gaprune_viz.errors import GapruneError
        from gaprune_viz.pipeline import verify_analysis

        try:
            for folder in self.workspace.glob("analysis-*"):
                verify_analysis(folder)
        except GapruneError:
            return False
        return self.kept.is_dir()

    def leftovers(self) -> int:
        return len(list(self.workspace.glob(".unfinished-*")))

    def tell(self, fault: str, result: str, held: bool) -> None:
        self.outcomes.append(Outcome(fault, result, held))
        print(f"{'held' if held else 'LOST':<5} {fault}: {result}", file=sys.stderr, flush=True)

    def killed(self) -> None:
        """SIGKILL while calibrating and while writing."""
        for n, stage in enumerate(
            ("Loading", "Choosing", "Calibrating", "Calibrating", "Writing", "Writing", "Writing")
        ):
            struck = self.kill_at(self.start(seed=n), stage, least=self.random.choice((0, 400)) if n == 3 else 0)
            whole, left = self.whole_or_none(), self.leftovers()
            code, _ = self.finish(self.start(seed=n))
            again = code == 0 and self.leftovers() == 0 and self.whole_or_none()
            how = "killed" if struck else "ended first"
            self.tell(
                f"SIGKILL at {stage!r}",
                f"{how}; {left} left unfinished, earlier results whole; the next start makes it whole, and cleans",
                whole and again,
            )

    def killed_sweep(self) -> None:
        code, text = self.finish(self.start(seed=50, what="sweep"))
        cells = next(line for line in text.splitlines() if line.startswith("CELLS"))
        folder = self.place(text) / "sweep-cells"
        shutil.rmtree(folder)
        struck = self.kill_at(self.start(seed=50, what="sweep"), "magnitude", least=2)
        kept = len(list(folder.glob("*.json")))
        code, text = self.finish(self.start(seed=50, what="sweep"))
        same = next(line for line in text.splitlines() if line.startswith("CELLS")) == cells
        self.tell(
            "SIGKILL in a sweep",
            f"{kept} finished cells kept; the next start computes the rest, the numbers are the same",
            struck and code == 0 and same and kept > 0,
        )

    def full_disk(self) -> None:
        for limit in (2_000, 20_000, 100_000):
            code, text = self.finish(self.start(seed=60, limit=limit))
            said = next((line for line in text.splitlines() if line.startswith("SAID")), text[-300:])
            good = code == 2 and "Traceback" not in text and self.whole_or_none() and not self.leftovers()
            self.tell(f"disk full after {limit:,} bytes of a file", _short(said, self.folder), good)

    def read_only(self) -> None:
        def drop() -> None:
            if os.geteuid() == 0:
                os.setgid(65_534)
                os.setuid(65_534)

        for path in (self.folder, *self.folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        code, text = self.finish(self.start(seed=61, preexec_fn=drop, cwd="/"))
        for path in (self.folder, *self.folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        said = next((line for line in text.splitlines() if line.startswith("SAID")), text[-300:])
        self.tell("read-only workspace", _short(said, self.folder), code == 2 and self.whole_or_none())

    def altered(self) -> None:
        from gaprune_viz.errors import GapruneError
        from gaprune_viz.pipeline import verify_analysis

        for part in ("statistics.safetensors", "sketch.npz", "summary.parquet", "spec.json"):
            for kind in ("truncated", "one bit changed"):
                place = Path(shutil.copytree(self.kept, self.folder / "copy"))
                content = bytearray((place / part).read_bytes())
                if kind == "truncated":
                    content = content[: len(content) // 2]
                else:
                    content[self.random.randrange(len(content))] ^= 1
                (place / part).write_bytes(bytes(content))
                try:
                    verify_analysis(place)
                    self.tell(f"{part} {kind}", "it was not seen", False)
                except GapruneError as error:
                    self.tell(f"{part} {kind}", _short(str(error), self.folder), True)
                shutil.rmtree(place)

    def damaged_in_place(self) -> None:
        content = (self.kept / "sketch.npz").read_bytes()
        (self.kept / "sketch.npz").write_bytes(content[: len(content) // 2])
        code, _ = self.finish(self.start(seed=1_000))
        self.tell(
            "the same run asked for again, its result damaged",
            "it is made again and replaced",
            code == 0 and self.whole_or_none(),
        )

    def changed_model(self) -> None:
        process = self.start(seed=70)
        assert process.stdout is not None
        lines = []
        backup = (self.model / "model.safetensors").read_bytes()
        for line in process.stdout:
            lines.append(line)
            if line.startswith("STAGE Calibrating"):
                changed = bytearray(backup)
                changed[-1] ^= 1
                (self.model / "new").write_bytes(bytes(changed))
                (self.model / "new").replace(self.model / "model.safetensors")
                break
        rest, _ = process.communicate(timeout=300)
        (self.model / "model.safetensors").write_bytes(backup)
        said = next((line for line in rest.splitlines() if line.startswith("SAID")), rest[-300:])
        good = process.returncode == 2 and "changed" in said and self.whole_or_none()
        self.tell("model folder changes under a run", _short(said, self.folder), good)

    def two_at_once(self) -> None:
        both = [self.start(seed=80), self.start(seed=80)]
        ended = [self.finish(process) for process in both]
        waited = sum("Waiting: another process" in text for _, text in ended)
        places = {self.place(text) for code, text in ended if code == 0}
        self.tell(
            "two processes make the same analysis",
            f"both end with the same whole result; {waited} of 2 waited for the other",
            all(code == 0 for code, _ in ended) and len(places) == 1 and self.whole_or_none(),
        )

    def odd_places(self) -> None:
        for variables in ({"LC_ALL": "C", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "ascii"}, {"TZ": "Pacific/Apia"}):
            done = subprocess.run(
                [sys.executable, "-m", "gaprune_viz", "diagnose", str(self.kept), "--json"],
                capture_output=True,
                env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", **variables},
                timeout=300,
                check=False,
            )
            name = ", ".join(f"{k}={v}" for k, v in variables.items())
            self.tell(f"environment {name}", "the command answers with the same JSON", done.returncode == 0)
        future = time.time() + 10 * 365 * 86_400
        os.utime(self.kept, (future, future))
        from gaprune_viz.workspace import clean

        clean(self.workspace)
        self.tell("a clock that was ten years ahead", "nothing is deleted for it", self.whole_or_none())


def _short(text: str, folder: Path) -> str:
    return " ".join(text.replace("SAID ", "").replace(str(folder), "…").split())[:220]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    began = time.monotonic()
    chaos = Chaos(arguments.seed)
    steps: tuple[Callable[[], None], ...] = (
        chaos.killed,
        chaos.killed_sweep,
        chaos.full_disk,
        chaos.read_only,
        chaos.altered,
        chaos.damaged_in_place,
        chaos.changed_model,
        chaos.two_at_once,
        chaos.odd_places,
    )
    try:
        for step in steps:
            step()
    finally:
        shutil.rmtree(chaos.folder, ignore_errors=True)
    if arguments.json:
        print(json.dumps([asdict(outcome) for outcome in chaos.outcomes], indent=1))
    else:
        print("| Fault | What happened | Held |\n|---|---|---|")
        for outcome in chaos.outcomes:
            print(f"| {outcome.fault} | {outcome.result} | {'yes' if outcome.held else 'NO'} |")
    print(f"{len(chaos.outcomes)} faults in {time.monotonic() - began:.0f} s, seed {arguments.seed}", file=sys.stderr)
    return 0 if all(outcome.held for outcome in chaos.outcomes) else 1


if __name__ == "__main__":
    raise SystemExit(main())
