"""Faults of what a run reads, writes and stands on: disk, folders, results, models, memory."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path

from tests.reliability.ground import KEPT_SEED, Ground, line_of, place_of

MIB = 2**20
# Other batches sum float32 in another order. One sample of the 64 counted twice would be 2e-2.
ROUNDING = 1e-5


def full_disk(ground: Ground) -> None:
    for limit in (2_000, 20_000, 100_000):
        job = ground.start(seed=60, limit=limit)
        ground.refused("full disk", f"no file may grow beyond {limit:,} bytes", job, "earlier results whole")
    small = ground.folder / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", small], capture_output=True)
    if mounted.returncode:
        return
    try:
        first, _ = ground.start(seed=66, workspace=small).finish()
        second, text = ground.start(seed=67, workspace=small).finish()
        from gaprune_viz.analysis.opening import verify_analysis

        for folder in small.glob("analysis-*"):
            verify_analysis(folder)
        left = len(list(small.glob(".unfinished-*")))
    finally:
        subprocess.run(["umount", small], check=True)
    ground.tell(
        "full disk",
        "a file system with room for one analysis gets a second",
        f"the first is whole, {left} unfinished folders",
        line_of(text, "SAID") or text[-300:],
        first == 0 and second == 2 and not left and "Traceback" not in text,
    )


def read_only(ground: Ground) -> None:
    for path in (ground.folder, *ground.folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        job = ground.start(seed=61, what="unprivileged")
        ground.refused("read-only workspace", "no file of it may be written", job, "earlier results whole")
    finally:
        for path in (ground.folder, *ground.folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)


def altered(ground: Ground) -> None:
    from gaprune_viz.analysis.opening import verify_analysis
    from gaprune_viz.errors import GapruneError

    for part in ("statistics.safetensors", "sketch.npz", "summary.parquet", "spec.json"):
        for kind in ("truncated", "one bit changed"):
            place = Path(shutil.copytree(ground.kept, ground.folder / "copy"))
            content = bytearray((place / part).read_bytes())
            if kind == "truncated":
                content = content[: len(content) // 2]
            else:
                content[ground.random.randrange(len(content))] ^= 1
            (place / part).write_bytes(bytes(content))
            said = ""
            try:
                verify_analysis(place)
            except GapruneError as error:
                said = str(error)
            shutil.rmtree(place)
            ground.tell("altered statistics", f"{part} {kind}", "the analysis is refused", said, bool(said))


def damaged_in_place(ground: Ground) -> None:
    content = (ground.kept / "sketch.npz").read_bytes()
    (ground.kept / "sketch.npz").write_bytes(content[: len(content) // 2])
    code, _ = ground.start(seed=KEPT_SEED).finish()
    ground.tell(
        "altered statistics",
        "sketch.npz truncated, and the same run asked for again",
        "the run is made again and replaced",
        "",
        code == 0 and ground.whole_or_none(),
    )


def killed_replacing(ground: Ground) -> None:
    """SIGKILL while a new result takes the place of an earlier one: exchanged in one step, and moved in two."""
    from gaprune_viz.analysis.opening import verify_analysis
    from gaprune_viz.calibration.statistics import Statistics

    place = ground.workspace / "analysis-replaced"
    ground.start(seed=53, what="replace").finish()
    # What is done, with which seed, the seed that is to be found afterwards, and when.
    moments = (
        ("replace-late", 54, 54, "before the earlier one is deleted"),
        ("replace-in-two", 55, 56, "before it follows the earlier one, on a kernel that cannot exchange folders"),
    )
    for what, seed, expected, where in moments:
        struck, _ = ground.start(seed=seed, what=what).finish()
        moved, left = not place.exists(), ground.leftovers()
        found = Statistics.open(place).run.calibration.seed
        whole = bool(verify_analysis(place)) and ground.whole_or_none() and found == expected
        code, _ = ground.start(seed=56, what="replace").finish()
        again = code == 0 and ground.leftovers() == 0 and ground.whole_or_none()
        ground.tell(
            "SIGKILL while replacing a result",
            where,
            f"{'the earlier one, which who opens it puts back' if moved else 'the new one'}, whole; "
            f"unfinished folders: {left}; the next start replaces it and cleans",
            "",
            struck == -signal.SIGKILL and moved == (what == "replace-in-two") and left > 0 and whole and again,
        )
    shutil.rmtree(place)


def changed_model(ground: Ground) -> None:
    job = ground.start(seed=70)
    backup = (ground.model / "model.safetensors").read_bytes()
    for line in job.lines:
        if line.startswith("STAGE Calibrating"):
            changed = bytearray(backup)
            changed[-1] ^= 1
            (ground.model / "new").write_bytes(bytes(changed))
            (ground.model / "new").replace(ground.model / "model.safetensors")
            break
    try:
        what = "one bit of the weights, once calibration has begun"
        ground.refused("model folder changes under a run", what, job, "no result of the run", must="changed")
    finally:
        (ground.model / "model.safetensors").write_bytes(backup)


def bad_loss(ground: Ground) -> None:
    """One row of the word embeddings is not a number: one sample has that word."""
    rows = [
        {"query": f"what is a bond {n}", "positive": "a loan that pays interest", "negative": "a share of stock"}
        for n in range(12)
    ]
    rows[6]["query"] = "what is a ~ bond"
    data = ground.folder / "one-bad.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for value in (float("nan"), float("inf")):
        model = _spoiled(ground, value, "embeddings.word_embeddings.weight", _token(ground, "~"))
        ground.refused(
            "loss that is not finite",
            f"the embedding of one word is {value}",
            ground.start(seed=62, model=model, domain=data),
            "the previous run is whole, nothing of this one is kept",
            must="what is a ~ bond",
        )
    model = _spoiled(ground, float("nan"), "embeddings.LayerNorm.bias", 0)
    job = ground.start(seed=62, model=model)
    ground.refused("model that is not finite", "a bias is nan", job, "the previous run is whole", must="not finite")


def _token(ground: Ground, word: str) -> int:
    vocabulary = json.loads((ground.model / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    return int(vocabulary[word])


def _spoiled(ground: Ground, value: float, name: str, row: int) -> Path:
    """A copy of the model with one value of one tensor (a whole row of a matrix) changed."""
    from safetensors.torch import load_file, save_file

    count = len(list(ground.folder.glob("spoiled-*")))
    model = Path(shutil.copytree(ground.model, ground.folder / f"spoiled-{count}"))
    tensors = load_file(model / "model.safetensors")
    tensors[name][row] = value
    save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})
    return model


def little_memory(ground: Ground) -> None:
    """Other objects take all memory but a rest when calibration begins: three rests, and one too small for a sample."""

    def reference(budget: int) -> Path:
        """The same analysis with so many tokens a batch, by the kernels that are used once memory has run out."""
        code, text = ground.start(seed=63, what="plain", budget=budget).finish()
        assert code == 0, text
        return place_of(text).rename(ground.workspace / f"reference-{budget}")

    full = reference(0)
    for least, most in ((24, 40), (8, 16), (4, 6)):
        rest = ground.random.randint(least, most)
        code, text = ground.start(seed=63, what="memory", limit=rest * MIB).finish()
        told = [line for line in text.splitlines() if line.startswith("STAGE Memory ran out")]
        said = told[-1].removeprefix("STAGE ").rsplit(" ", 1)[0] if told and code == 0 else text[-300:]
        same = near = float("inf")
        if told and code == 0:
            place = place_of(text).rename(ground.workspace / "starved")
            whole = reference(int(said.split("; ")[1].split()[0]))
            same, near = _largest_difference(whole, place), _largest_difference(full, place)
            for folder in (whole, place):
                shutil.rmtree(folder)
        ground.tell(
            "out of memory",
            f"{rest} MiB are left when calibration begins",
            f"the token budget is halved {len(told)} x and the run goes on; statistics differ by {same:.1g} of the "
            f"largest from those of a run that began with that budget, by {near:.1g} from those of the full one",
            said,
            same <= 1e-6 and near <= ROUNDING and ground.whole_or_none() and not ground.leftovers(),
        )
    shutil.rmtree(full)
    _too_large_a_sample(ground)


def _too_large_a_sample(ground: Ground) -> None:
    many = [" ".join([f"share number {n} of a stock"] * 60) for n in range(48)]
    rows = [{"query": f"what is bond {n}", "positive": "a loan that pays interest", "negative": many} for n in range(4)]
    data = ground.folder / "large-samples.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    job = ground.start(seed=63, what="memory", limit=8 * MIB, domain=data)
    injected, found = "8 MiB are left, and one sample alone needs more", "no result of the run, earlier results whole"
    ground.refused("out of memory", injected, job, found, must="batches of 64 tokens")


def _largest_difference(one: Path, other: Path) -> float:
    """Of all statistics of two analyses: the largest difference, relative to the largest value of its tensor."""
    from gaprune_viz.calibration.statistics import FIELDS, Statistics

    first, second = Statistics.open(one), Statistics.open(other)
    pairs = ((first.tensor(n, f), second.tensor(n, f)) for n in first.names for f in FIELDS)
    return max(float((a - b).abs().max() / a.abs().max()) for a, b in pairs)


STEPS = (full_disk, read_only, altered, damaged_in_place, killed_replacing, changed_model, little_memory, bad_loss)
