"""What is wrong with a run is said before torch, or anything that takes seconds, is loaded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Runs the command line and says at the end what it has loaded.
SCRIPT = """
import sys
from gaprune_viz import cli
try:
    cli.main()
except SystemExit as end:
    heavy = ("torch", "transformers", "sentence_transformers", "gradio", "mteb", "pandas", "datasets")
    print(end.code, *[name for name in heavy if name in sys.modules])
"""


def run_cold(*arguments: object) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
    )
    return done.stdout.strip(), done.stderr


@pytest.fixture
def broken(tiny_triplets: tuple[Path, Path], tmp_path: Path) -> Path:
    path = tmp_path / "broken.jsonl"
    path.write_text('{"query": "a", "positive": 7, "negative": "c"}\n' + tiny_triplets[0].read_text())
    return path


@pytest.mark.parametrize("command", ["analyze", "plan"])
def test_refusals_load_nothing(
    command: str, broken: Path, tiny_triplets: tuple[Path, Path], tiny_bert: Path, tmp_path: Path
) -> None:
    pickled = shutil.copytree(tiny_bert, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    good, out = tiny_triplets[0], ("--out", tmp_path / "run") if command == "analyze" else ()
    for flags, words in (
        (("--model", tiny_bert, "--domain", broken, "--general", good), "line 1"),
        (("--model", tiny_bert, "--domain", good, "--general", tmp_path / "nowhere.jsonl"), "There is no"),
        (("--model", tmp_path / "no-model", "--domain", good), "There is no model folder"),
        (("--model", pickled, "--domain", good), "gaprune-viz convert"),
        (("--model", tmp_path, "--domain", good), "holds no model"),
        (("--samples", "0"), "samples"),
        (("--domain-columns", "nonsense"), "domain-columns"),
    ):
        printed, said = run_cold(command, *flags, *out)
        assert printed == "2", (flags, printed, said)
        assert words in said
        assert said.count("\n") == 1
