"""Inject one fault after another and say what happened: `make chaos`.

Every run here is a process of its own with the pipeline's own code, on a tiny model; faults are real ones (a signal, a
limit of the kernel, a full file system, a changed file). The choice of moments is seeded.

    python tests/reliability/chaos.py [--seed 0] [--json] [--markdown FILE]
"""

from __future__ import annotations

import argparse
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
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from forked import Job  # noqa: E402

OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


@dataclass(frozen=True)
class Outcome:
    """What a fault did."""

    fault: str
    injected: str
    found: str
    said: str
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
        os.environ.update(OFFLINE, GAPRUNE_VIZ_WORKSPACE=str(self.workspace))
        # A finished run that no fault may cost.
        code, text = self.start(seed=1_000).finish()
        assert code == 0, text
        self.kept = place_of(text)

    def start(self, *, seed: int, **asked: Any) -> Job:
        """A process that makes an analysis, and what is asked for beyond it."""
        usual = {"model": self.model, "what": "analysis", "limit": 0, "domain": "finance", "workspace": self.workspace}
        ask = {"seed": seed, **usual, **asked}
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

    def tell(self, fault: str, injected: str, found: str, said: str, held: bool) -> None:
        said = " ".join(said.replace("SAID ", "").replace(str(self.folder), "…").split())[:260]
        self.outcomes.append(Outcome(fault, injected, found, said, held))
        print(f"{'held' if held else 'LOST':<5} {fault} ({injected}): {found}. {said}", file=sys.stderr, flush=True)

    def killed(self) -> None:
        """SIGKILL while calibrating and while writing."""
        stages = ("Loading", "Choosing", "Calibrating", "Calibrating", "Writing", "Writing", "Writing")
        for n, stage in enumerate(stages):
            least = self.random.choice((0, 8)) if n == 3 else 0
            struck = self.kill_at(self.start(seed=n), stage, least=least)
            whole, left = self.whole_or_none(), self.leftovers()
            code, _ = self.start(seed=n).finish()
            again = code == 0 and self.leftovers() == 0 and self.whole_or_none()
            where = "while writing" if stage == "Writing" else "in calibration" if stage == "Calibrating" else "early"
            self.tell(
                f"SIGKILL {where}",
                f"at the step {stage!r}" + ("" if struck else ", which was too late: the run had ended"),
                f"{left} unfinished folder left, earlier results whole; the next start makes the run whole and cleans",
                "",
                whole and again and (struck or stage == "Writing"),
            )

    def killed_sweep(self) -> None:
        code, text = self.start(seed=50, what="sweep").finish()
        cells = line_of(text, "CELLS")
        folder = place_of(text) / "sweep-cells"
        shutil.rmtree(folder)
        struck = self.kill_at(self.start(seed=50, what="sweep"), "magnitude", least=2)
        kept = len(list(folder.glob("*.json")))
        code, text = self.start(seed=50, what="sweep").finish()
        same = line_of(text, "CELLS") == cells
        self.tell(
            "SIGKILL in a sweep",
            "at the second step of the first criterion",
            f"{kept} finished cells; the next start computes the rest, and all numbers are those of a sweep in one go",
            "",
            struck and code == 0 and same and kept > 0,
        )

    def killed_retraining(self) -> None:
        struck = self.kill_at(self.start(seed=51, what="retrain"), "Retraining", least=5)
        exported, made = self.workspace / "exported", self.workspace / "retrained"
        none = exported.is_dir() and not made.exists()
        digest = (exported / "model.safetensors").read_bytes() if none else b""
        code, text = self.start(seed=51, what="retrain").finish()
        whole = code == 0 and (made / "gaprune.json").is_file() and (made / "model.safetensors").is_file()
        same = none and (exported / "model.safetensors").read_bytes() == digest
        self.tell(
            "SIGKILL in retraining",
            "at step 5 of 30",
            "no retrained model, the pruned one untouched; the next start makes it whole and cleans",
            "" if whole and same else text[-300:],
            struck and whole and same and not self.leftovers(),
        )

    def refused(self, fault: str, injected: str, job: Job, found: str, *, must: str = "") -> None:
        """A run that has to end with one clear line, and to leave earlier results whole and nothing of its own."""
        code, text = job.finish()
        said = line_of(text, "SAID")
        clear = code == 2 and bool(said) and must in said and "Traceback" not in text
        self.tell(fault, injected, found, said or text[-300:], clear and self.whole_or_none() and not self.leftovers())

    def full_disk(self) -> None:
        for limit in (2_000, 20_000, 100_000):
            job = self.start(seed=60, limit=limit)
            self.refused("full disk", f"no file may grow beyond {limit:,} bytes", job, "earlier results whole")
        small = self.folder / "small"
        small.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", small], capture_output=True)
        if mounted.returncode:
            return
        try:
            first, _ = self.start(seed=66, workspace=small).finish()
            second, text = self.start(seed=67, workspace=small).finish()
            from gaprune_viz.pipeline import verify_analysis

            for folder in small.glob("analysis-*"):
                verify_analysis(folder)
            left = len(list(small.glob(".unfinished-*")))
        finally:
            subprocess.run(["umount", small], check=True)
        self.tell(
            "full disk",
            "a file system with room for one analysis gets a second",
            f"the first is whole, {left} unfinished folders",
            line_of(text, "SAID") or text[-300:],
            first == 0 and second == 2 and not left and "Traceback" not in text,
        )

    def read_only(self) -> None:
        for path in (self.folder, *self.folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        try:
            job = self.start(seed=61, what="unprivileged")
            self.refused("read-only workspace", "no file of it may be written", job, "earlier results whole")
        finally:
            for path in (self.folder, *self.folder.rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)

    def bad_loss(self) -> None:
        """One row of the word embeddings is not a number: one sample has that word."""
        rows = [
            {"query": f"what is a bond {n}", "positive": "a loan that pays interest", "negative": "a share of stock"}
            for n in range(12)
        ]
        rows[6]["query"] = "what is a ~ bond"
        data = self.folder / "one-bad.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        for value in (float("nan"), float("inf")):
            model = self.spoiled(value, "embeddings.word_embeddings.weight", self.token("~"))
            self.refused(
                "loss that is not finite",
                f"the embedding of one word is {value}",
                self.start(seed=62, model=model, domain=data),
                "the previous run is whole, nothing of this one is kept",
                must="what is a ~ bond",
            )
        model = self.spoiled(float("nan"), "embeddings.LayerNorm.bias", 0)
        job = self.start(seed=62, model=model)
        self.refused("model that is not finite", "a bias is nan", job, "the previous run is whole", must="not finite")

    def token(self, word: str) -> int:
        vocabulary = json.loads((self.model / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
        return int(vocabulary[word])

    def spoiled(self, value: float, name: str, row: int) -> Path:
        """A copy of the model with one value of one tensor (a whole row of a matrix) changed."""
        from safetensors.torch import load_file, save_file

        model = Path(shutil.copytree(self.model, self.folder / f"spoiled-{len(list(self.folder.glob('spoiled-*')))}"))
        tensors = load_file(model / "model.safetensors")
        tensors[name][row] = value
        save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})
        return model

    def little_memory(self) -> None:
        """Less and less memory from the moment when calibration begins, until it runs out and the run goes on."""
        from gaprune_viz.core.statistics import FIELDS, Statistics

        code, text = self.start(seed=63, what="memory").finish()
        assert code == 0, text
        place = place_of(text).rename(self.workspace / "reference")
        whole = Statistics.open(place)
        tried, told = 0, ""
        clear = True
        for tried in (96, 80, 72, 64, 56, 48):
            code, text = self.start(seed=63, what="memory", limit=tried * 2**20).finish()
            told = line_of(text, "STAGE Memory ran out")
            if told and code == 0:
                break
            clear = clear and (code == 0 or (code == 2 and bool(line_of(text, "SAID"))))
            if code == 0:
                shutil.rmtree(place_of(text))
        worst = float("inf")
        if code == 0 and told:
            halved = Statistics.open(place_of(text))
            pairs = ((whole.tensor(n, f), halved.tensor(n, f)) for n in whole.names for f in FIELDS)
            worst = max(float((a - b).abs().max() / a.abs().max()) for a, b in pairs)
        shutil.rmtree(place)
        self.tell(
            "out of memory",
            f"{tried} MiB beyond what is in use when calibration begins",
            f"the run goes on with half the token budget; statistics differ by {worst:.0e} of the largest",
            told.removeprefix("STAGE ").rsplit(" ", 1)[0] if told else text[-300:],
            clear and worst <= 1e-6 and self.whole_or_none(),
        )

    def dead_worker(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        launcher = f"--nproc_per_node 2 --master_addr 127.0.0.1 --master_port {port}"
        flags = "analyze --domain finance --samples 128 --sampling random --seed 64 --token-budget 256 --device cpu"
        words = ["-m", "torch.distributed.run", *launcher.split(), "-m", "gaprune_viz", *flags.split()]
        before = {folder.name for folder in self.workspace.glob("analysis-*")}
        process = subprocess.Popen(
            [sys.executable, *words, "--model", str(self.model), "--out", str(self.workspace / "analysis-by-two")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "ACCELERATE_USE_CPU": "true"},
        )
        until = time.monotonic() + 120
        while not self.leftovers() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        victim = _second_worker(process.pid)
        if victim is not None:
            os.kill(victim, signal.SIGKILL)
        text, _ = process.communicate(timeout=120)
        whole = self.whole_or_none() and before == {folder.name for folder in self.workspace.glob("analysis-*")}
        again, _ = self.start(seed=65).finish()
        struck = next((line.strip() for line in text.splitlines() if "Signal 9" in line), text[-300:])
        self.tell(
            "worker that dies",
            "SIGKILL to the second of two processes in calibration",
            f"the launcher ends with status {process.returncode}, no result of the run; the next start cleans",
            struck,
            victim is not None and process.returncode != 0 and whole and again == 0 and not self.leftovers(),
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
            "two apps on one workspace",
            "both are asked for the same analysis at once",
            f"{done} of 2 pages show the whole result",
            "Done." if done else "",
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
                said = ""
                try:
                    verify_analysis(place)
                except GapruneError as error:
                    said = str(error)
                shutil.rmtree(place)
                self.tell("altered statistics", f"{part} {kind}", "the analysis is refused", said, bool(said))

    def damaged_in_place(self) -> None:
        content = (self.kept / "sketch.npz").read_bytes()
        (self.kept / "sketch.npz").write_bytes(content[: len(content) // 2])
        code, _ = self.start(seed=1_000).finish()
        self.tell(
            "altered statistics",
            "sketch.npz truncated, and the same run asked for again",
            "the run is made again and replaced",
            "",
            code == 0 and self.whole_or_none(),
        )

    def changed_model(self) -> None:
        job = self.start(seed=70)
        backup = (self.model / "model.safetensors").read_bytes()
        for line in job.lines:
            if line.startswith("STAGE Calibrating"):
                changed = bytearray(backup)
                changed[-1] ^= 1
                (self.model / "new").write_bytes(bytes(changed))
                (self.model / "new").replace(self.model / "model.safetensors")
                break
        try:
            what = "one bit of the weights, once calibration has begun"
            self.refused("model folder changes under a run", what, job, "no result of the run", must="changed")
        finally:
            (self.model / "model.safetensors").write_bytes(backup)

    def two_at_once(self) -> None:
        both = [self.start(seed=80), self.start(seed=80)]
        ended = [job.finish() for job in both]
        waited = [line_of(text, "STAGE Waiting: another process") for _, text in ended]
        places = {place_of(text) for code, text in ended if code == 0}
        self.tell(
            "two processes on one workspace",
            "both make the same analysis at once",
            f"both end with the same whole result; {sum(map(bool, waited))} of 2 waited for the other",
            next((line.removeprefix("STAGE ").rsplit(" ", 1)[0] for line in waited if line), ""),
            all(code == 0 for code, _ in ended) and len(places) == 1 and self.whole_or_none(),
        )

    def odd_places(self) -> None:
        """The command in odd surroundings says what it says elsewhere."""

        def diagnosis(**variables: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "gaprune_viz", "diagnose", str(self.kept), "--json"]
            return subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **variables})

        odd: tuple[dict[str, str], ...] = (
            {"LC_ALL": "C", "PYTHONUTF8": "0"},
            {"PYTHONIOENCODING": "ascii"},
            {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
            {"TZ": "Pacific/Apia"},
        )
        usual = json.loads(diagnosis().communicate(timeout=120)[0])
        for variables in odd:
            process = diagnosis(**variables)
            answer, _ = process.communicate(timeout=120)
            same = process.returncode == 0 and json.loads(answer) == usual
            names = " ".join(f"{k}={v}" for k, v in variables.items())
            self.tell("locale", names, "`gaprune-viz diagnose --json` answers the same", "", same)
        from gaprune_viz.workspace import clean

        for years in (10, -10):
            then = time.time() + years * 365 * 86_400
            os.utime(self.kept, (then, then))
            deleted = clean(self.workspace)
            code, _ = self.start(seed=1_000).finish()
            self.tell(
                "clock",
                f"a result's time is {abs(years)} years {'ahead' if years > 0 else 'behind'}",
                "nothing is deleted for it, and the run is found again",
                "",
                not deleted and code == 0 and self.whole_or_none(),
            )


def line_of(text: str, start: str) -> str:
    """The first line with some beginning, or nothing."""
    return next((line for line in text.splitlines() if line.startswith(start)), "")


def place_of(text: str) -> Path:
    """Where a process put its result."""
    return Path(line_of(text, "WHOLE").removeprefix("WHOLE "))


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


def table(outcomes: list[Outcome]) -> str:
    """Faults and outcomes, Markdown."""
    lines = ["| fault | injected | what the next start finds | message | held |", "|---|---|---|---|---|"]
    for o in outcomes:
        cells = (o.fault, o.injected, o.found, o.said, "yes" if o.held else "**no**")
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", type=Path, help="write the table to a file")
    parser.add_argument("--only", help="names of steps, separated by commas")
    arguments = parser.parse_args()
    began = time.monotonic()
    chaos = Chaos(arguments.seed)
    steps: tuple[Callable[[], None], ...] = (
        chaos.killed,
        chaos.killed_sweep,
        chaos.killed_retraining,
        chaos.full_disk,
        chaos.read_only,
        chaos.altered,
        chaos.damaged_in_place,
        chaos.changed_model,
        chaos.little_memory,
        chaos.bad_loss,
        chaos.dead_worker,
        chaos.odd_places,
        chaos.two_at_once,
        chaos.two_apps,
    )
    chosen = arguments.only.split(",") if arguments.only else [step.__name__ for step in steps]
    try:
        for step in steps:
            if step.__name__ not in chosen:
                continue
            start = time.monotonic()
            try:
                step()
            except (OSError, LookupError, ValueError, AssertionError, subprocess.SubprocessError) as error:
                chaos.tell(step.__name__, "", "the check itself failed", repr(error), False)
            print(f"      {time.monotonic() - start:.0f} s", file=sys.stderr)
    finally:
        shutil.rmtree(chaos.folder, ignore_errors=True)
    if arguments.markdown:
        arguments.markdown.write_text(table(chaos.outcomes), encoding="utf-8")
    if arguments.json:
        print(json.dumps([asdict(outcome) for outcome in chaos.outcomes], indent=1))
    elif not arguments.markdown:
        print(table(chaos.outcomes), end="")
    held = sum(outcome.held for outcome in chaos.outcomes)
    took = time.monotonic() - began
    print(f"{held} of {len(chaos.outcomes)} held in {took:.0f} s, seed {arguments.seed}", file=sys.stderr)
    return 0 if held == len(chaos.outcomes) else 1


if __name__ == "__main__":
    raise SystemExit(main())
