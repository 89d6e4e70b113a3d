"""What `plan()` predicts against what a run takes: peak memory, disk and time, on MiniLM and on a larger random model.

Each run is a process of its own. Its peak is the kernel's count of resident bytes, from after the libraries are
imported to the end, so that the interpreter is not counted. A second run gets less memory than the first needed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gaprune_viz.config import CalibrationSpec, ModelSpec, RunSpec, Sampling, Scope

GIB = 2**30
# Above this many million parameters the batches are kept small, so that the whole benchmark takes minutes.
LARGE = {"hidden_size": 768, "intermediate_size": 3_072, "num_hidden_layers": 12, "num_attention_heads": 12}


def main() -> None:
    """Measure, and print one JSON object or a few lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(RunSpec.parse(json.loads(options.child)))))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = {
            "benchmark": "memory",
            "load_average": os.getloadavg()[0],
            "floor": "parameters + 8 bytes per target weight (two float32 sums; a side's are written before the next)",
            "models": {name: measure(run) for name, run in runs(Path(folder)).items()},
        }
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for name, row in found["models"].items():
        print(f"{name}: {json.dumps(row)}")


def runs(folder: Path) -> dict[str, RunSpec]:
    """The runs to measure."""
    few = CalibrationSpec(samples=4, sampling=Sampling.RANDOM, token_budget=512, scope=Scope.LINEAR)
    return {
        "MiniLM, 16 samples a side": RunSpec(calibration=CalibrationSpec(samples=16, scope=Scope.LINEAR)),
        "Qwen3-shaped, 4 samples a side": RunSpec(
            model=ModelSpec(model=str(large_model(folder / "large")), max_length=128, device="cpu"), calibration=few
        ),
    }


def large_model(folder: Path) -> Path:
    """A random Qwen3 of more than 100 million weights, with the small tokenizer of the tests."""
    import transformers

    from tests.tiny_models import _DECODER, make_tokenizer

    tokenizer = make_tokenizer(_DECODER)
    config = transformers.Qwen3Config(
        **LARGE,
        vocab_size=len(tokenizer),
        num_key_value_heads=4,
        head_dim=64,
        max_position_embeddings=512,
        pad_token_id=tokenizer.pad_token_id,
    )
    transformers.Qwen3Model(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def measure(run: RunSpec) -> dict[str, Any]:
    """One run as it is, and one with three quarters of the memory that it took."""
    whole = _run(run)
    budget = 0.75 * whole["predicted"]["peak_bytes"] / GIB
    less = _run(run.with_(calibration=run.calibration.with_(memory=budget)))
    return {
        "weights": whole["predicted"]["weights"],
        "parameters": whole["predicted"]["parameters"],
        "peak": _beside(whole, "peak_bytes"),
        "disk": _beside(whole, "disk_bytes"),
        "seconds": _beside(whole, "seconds"),
        "with_less": {
            "budget_bytes": budget * GIB,
            "groups": len(less["predicted"]["groups"]),
            "token_budget": less["predicted"]["token_budget"],
            "peak": _beside(less, "peak_bytes"),
            "seconds": _beside(less, "seconds"),
        },
    }


def _beside(result: dict[str, Any], key: str) -> dict[str, float]:
    predicted, measured = float(result["predicted"][key]), float(result["measured"][key])
    return {"predicted": predicted, "measured": measured, "predicted_over_measured": predicted / measured}


def _run(run: RunSpec) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", run.model_dump_json()]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])


def child(run: RunSpec) -> dict[str, Any]:
    """In a process of its own: predict, run, and read the kernel's count."""
    from dataclasses import asdict

    import pandas  # noqa: F401
    import sentence_transformers  # noqa: F401
    import sklearn.cluster  # noqa: F401
    from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: F401

    from gaprune_viz.analysis.cost_estimate import predict
    from gaprune_viz.analysis.making import analyze
    from gaprune_viz.calibration.progress import iterate
    from gaprune_viz.storage.workspace import folder_bytes

    predicted = asdict(predict(run, timed=True))
    with tempfile.TemporaryDirectory() as folder:
        before = _resident("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")
        box: list[Any] = []
        steps = list(iterate(analyze(run, Path(folder) / "analysis"), box))
        measured = {
            "peak_bytes": _resident("VmHWM") - before,
            "disk_bytes": folder_bytes(box[0]),
            "seconds": max(step.seconds for step in steps if step.stage.startswith("Calibrating")),
        }
    return {"predicted": predicted, "measured": measured}


def _resident(field: str) -> int:
    """Resident bytes of this process: `VmRSS` now, `VmHWM` the most so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{field} is not in /proc/self/status")


if __name__ == "__main__":
    main()
