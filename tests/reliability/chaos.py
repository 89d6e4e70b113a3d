"""Inject one fault after another and say what happened: `make chaos`.

Every run of an analysis here is a process of its own with the command's own code, on a tiny model; faults are real
ones (a signal, a limit of the kernel, a changed file). The choice of moments is seeded.

    python tests/reliability/chaos.py [--seed 0] [--json]
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

WORKER = """
import resource, sys
from gaprune_viz.config import CalibrationSpec, ModelSpec, RunSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.pipeline import analyze, drain, verify_analysis
from gaprune_viz.sweep import SweepPlan, sweep

model, seed, what, limit = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
samples, budget = (64, 16_384) if what == "memory" else (24, 512)
run = RunSpec(model=ModelSpec(model=model, device="cpu"),
              calibration=CalibrationSpec(domain="finance", samples=samples, sampling="random", seed=seed,
                                          token_budget=budget))

def bound():
    import re
    taken = int(re.search(r"VmSize:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
    resource.setrlimit(resource.RLIMIT_AS, (taken + limit, taken + limit))

def told(work):
    box, bounded = [], False
    def inner():
        box.append((yield from work))
    for step in inner():
        if what == "memory" and limit and not bounded and step.stage.startswith("Calibrating"):
            bounded = True
            bound()
        print("STAGE", step.stage, step.done, flush=True)
    return box[0]

try:
    if limit and what != "memory":
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    place = told(analyze(run))
    if what == "sweep":
        plan = SweepPlan("criteria", ("magnitude", "obd_joint"), (0.3, 0.5), ("finance", "general"))
        frame = told(sweep(place, plan))
        print("CELLS", frame.round(9).to_json(), flush=True)
    if what == "retrain":
        from gaprune_viz.config import RetrainSpec, Settings
        from gaprune_viz.results import prune
        from gaprune_viz.retrained import retrain_export
        exported = place.parent / "exported"
        if not exported.exists():
            prune(place, Settings(), exported)
        print("STEPS", told(retrain_export(exported, RetrainSpec(steps=30, batch_size=4), place.parent / "retrained")))
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

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "GAPRUNE_VIZ_WORKSPACE": str(self.workspace),
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
        }

    def start(
        self, *, seed: int, what: str = "analysis", limit: int = 0, model: Path | None = None, **options: object
    ) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WORKER, str(model or self.model), str(seed), what, str(limit)]
        return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.environment, **options
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
        for path in (self.folder, *self.folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        code, text = self.finish(self.start(seed=61, preexec_fn=_without_privilege))
        for path in (self.folder, *self.folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        said = next((line for line in text.splitlines() if line.startswith("SAID")), text[-300:])
        self.tell("read-only workspace", _short(said, self.folder), code == 2 and self.whole_or_none())

    def killed_retraining(self) -> None:
        struck = self.kill_at(self.start(seed=51, what="retrain"), "Retraining", least=5)
        exported, made = self.workspace / "exported", self.workspace / "retrained"
        none = exported.is_dir() and not made.exists()
        digest = (exported / "model.safetensors").read_bytes() if none else b""
        code, text = self.finish(self.start(seed=51, what="retrain"))
        whole = code == 0 and (made / "gaprune.json").is_file() and (made / "model.safetensors").is_file()
        same = none and (exported / "model.safetensors").read_bytes() == digest
        how = "killed" if struck else "ended first"
        self.tell(
            "SIGKILL in retraining",
            f"{how}; no retrained model is there, the pruned one is untouched; the next start makes it whole"
            if whole and same
            else _short(text[-300:], self.folder),
            struck and whole and same and not self.leftovers(),
        )

    def bad_loss(self) -> None:
        from safetensors.torch import load_file, save_file

        for value in (float("nan"), float("inf")):
            model = Path(shutil.copytree(self.model, self.folder / f"model-{value}"))
            tensors = load_file(model / "model.safetensors")
            tensors["embeddings.LayerNorm.bias"][0] = value
            save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})
            code, text = self.finish(self.start(seed=62, model=model))
            said = next((line for line in text.splitlines() if line.startswith("SAID")), text[-300:])
            named = "sample" in said.lower()
            self.tell(
                f"a loss that is not a number (a weight of {value})",
                _short(said, self.folder),
                code == 2 and named and self.whole_or_none() and not self.leftovers(),
            )

    def little_memory(self) -> None:
        from gaprune_viz.core.statistics import FIELDS, Statistics

        code, text = self.finish(self.start(seed=63, what="memory"))
        place = self.place(text).rename(self.workspace / "reference")
        whole = Statistics.open(place)
        for mebibytes in (4, 8, 12, 16, 24, 32, 48, 64, 96):
            code, text = self.finish(self.start(seed=63, what="memory", limit=mebibytes * 2**20))
            told = next((line for line in text.splitlines() if line.startswith("STAGE Memory ran out")), "")
            if code == 0 and told:
                break
        worst = float("inf")
        if code == 0:
            halved = Statistics.open(self.place(text))
            pairs = ((whole.tensor(n, f), halved.tensor(n, f)) for n in whole.names for f in FIELDS)
            worst = max(float((a - b).abs().max() / a.abs().max()) for a, b in pairs)
        shutil.rmtree(place)
        self.tell(
            "out of memory",
            f"{told.removeprefix('STAGE ').rsplit(' ', 1)[0]} Statistics differ by {worst:.1e} of the largest"
            if told
            else _short(text[-300:], self.folder),
            bool(told) and worst <= 1e-6 and self.whole_or_none(),
        )

    def dead_worker(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        launcher = f"--cpu --num_processes 2 --num_machines 1 --mixed_precision no --main_process_port {port}"
        launcher += " --dynamo_backend no"
        flags = "analyze --domain finance --samples 128 --sampling random --seed 64 --token-budget 256 --device cpu"
        words = ["-m", "accelerate.commands.launch", *launcher.split(), "-m", "gaprune_viz", *flags.split()]
        process = subprocess.Popen(
            [sys.executable, *words, "--model", str(self.model)],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 120
        while not self.leftovers() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        victim = _second_worker(process.pid)
        if victim is not None:
            os.kill(victim, signal.SIGKILL)
        code = process.wait(120)
        whole = self.whole_or_none()
        again, _ = self.finish(self.start(seed=65))
        self.tell(
            "one of two workers dies",
            f"the run ends with status {code}, earlier results whole; the next start cleans up",
            victim is not None and code != 0 and whole and again == 0 and not self.leftovers(),
        )

    def two_apps(self) -> None:
        from load import Served

        from tests.app.served import Caller

        served = [Served(str(self.model), str(self.workspace)) for _ in range(2)]
        answers: list[str] = []

        def run(address: str) -> None:
            caller = Caller(address, f"chaos-{os.urandom(8).hex()}")
            event = caller.event("gv-run", "click")
            data = caller.values(
                event, gv_model=str(self.model), gv_domain="finance", gv_samples=64, gv_sampling="random", gv_seed=9
            )
            answers.append(caller.call(event, data)["seen"])

        threads = [threading.Thread(target=run, args=(app.address,)) for app in served]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        for app in served:
            app.close()
        done = sum("Done." in answer for answer in answers)
        self.tell(
            "two apps on one workspace run the same analysis",
            f"{done} of 2 pages show the whole result",
            done == 2 and self.whole_or_none() and not self.leftovers(),
        )

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


def _without_privilege() -> None:
    """Take from root what lets it write where the modes forbid it (capabilities 1 and 2), from the next exec on."""
    if os.geteuid() == 0:
        for capability in (1, 2):
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)


def _second_worker(parent: int) -> int | None:
    """The process below a launcher whose rank is 1."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            environ = (place / "environ").read_bytes()
            above = int((place / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if above == parent and b"\0LOCAL_RANK=1\0" in environ:
            return int(place.name)
    return None


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
        chaos.killed_retraining,
        chaos.bad_loss,
        chaos.little_memory,
        chaos.dead_worker,
        chaos.two_apps,
        chaos.altered,
        chaos.damaged_in_place,
        chaos.changed_model,
        chaos.two_at_once,
        chaos.odd_places,
    )
    try:
        for step in steps:
            try:
                step()
            except (OSError, LookupError, StopIteration, AssertionError, subprocess.TimeoutExpired) as error:
                chaos.tell(step.__name__, f"the check itself failed: {error!r}", False)
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
