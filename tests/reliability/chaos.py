"""Inject one fault after another and say what happened: `make chaos`.

Every run here is a process of its own with the pipeline's own code, on a tiny model; faults are real ones (a signal, a
limit of the kernel, a full file system, a changed file). The choice of moments is seeded.

    python tests/reliability/chaos.py [--seed 0] [--only STEP,STEP] [--json] [--markdown FILE]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.reliability import faults_of_executors, faults_of_files, faults_of_pages, faults_of_processes
from tests.reliability.ground import Ground, Outcome

STEPS: tuple[Callable[[Ground], None], ...] = (
    *faults_of_processes.STEPS,
    *faults_of_pages.STEPS,
    *faults_of_files.STEPS,
    *faults_of_executors.STEPS,
)


def table(outcomes: list[Outcome]) -> str:
    """Faults and outcomes, Markdown."""
    lines = ["| fault | injected | what the next start finds | message | held |", "|---|---|---|---|---|"]
    for o in outcomes:
        cells = (o.fault, o.injected, o.found, o.said, "yes" if o.held else "**no**")
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def inject(ground: Ground, names: list[str]) -> None:
    """Every fault of some names, one after another; one that cannot be injected has not held."""
    for step in STEPS:
        if step.__name__ not in names:
            continue
        start = time.monotonic()
        try:
            step(ground)
        except (OSError, LookupError, ValueError, AssertionError, subprocess.SubprocessError) as error:
            ground.tell(step.__name__, "", "the check itself failed", repr(error), False)
        print(f"      {time.monotonic() - start:.0f} s", file=sys.stderr)


def main() -> int:
    every = [step.__name__ for step in STEPS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", type=Path, help="write the table to a file")
    parser.add_argument("--only", default=",".join(every), help="names of steps, separated by commas")
    arguments = parser.parse_args()
    chosen = arguments.only.split(",")
    if unknown := set(chosen) - set(every):
        parser.error(f"no such step: {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    began = time.monotonic()
    ground = Ground(arguments.seed)
    try:
        inject(ground, chosen)
    finally:
        shutil.rmtree(ground.folder, ignore_errors=True)
    if arguments.markdown:
        arguments.markdown.write_text(table(ground.outcomes), encoding="utf-8")
    if arguments.json:
        print(json.dumps([asdict(outcome) for outcome in ground.outcomes], indent=1))
    elif not arguments.markdown:
        print(table(ground.outcomes), end="")
    held = sum(outcome.held for outcome in ground.outcomes)
    took = time.monotonic() - began
    print(f"{held} of {len(ground.outcomes)} held in {took:.0f} s, seed {arguments.seed}", file=sys.stderr)
    return 0 if held == len(ground.outcomes) else 1


if __name__ == "__main__":
    raise SystemExit(main())
