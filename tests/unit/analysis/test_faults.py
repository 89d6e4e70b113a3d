"""What goes wrong around a run: whole results or none, and one clear line."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock

from gaprune_viz.analysis.making import analyze
from gaprune_viz.analysis.opening import open_analysis, verify_analysis
from gaprune_viz.calibration.progress import drain
from gaprune_viz.calibration.statistics import SPEC_FILE, TENSOR_FILE, Statistics, fields_of
from gaprune_viz.cli import _out_of_memory
from gaprune_viz.config import CalibrationSpec, ModelSpec, RunSpec, Sampling, Scope
from gaprune_viz.errors import GapruneError
from gaprune_viz.jobs import watched_work
from gaprune_viz.jobs.job_queue import Owner
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.memory import is_out_of_memory, plain_kernels, recover
from gaprune_viz.storage import checksums
from gaprune_viz.storage.folder_swap import UNFINISHED
from gaprune_viz.storage.workspace import WRITING, alone, clean, whole_folder

pytestmark = pytest.mark.slow


@pytest.fixture
def own_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GAPRUNE_VIZ_WORKSPACE", str(tmp_path / "workspace"))
    return tmp_path / "workspace"


@pytest.fixture
def copy(tiny_analysis: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_analysis, tmp_path / "analysis-copy"))


def run_of(model: Path, triplets: tuple[Path, Path], **changes: object) -> RunSpec:
    domain, general = map(str, triplets)
    values = {"domain": domain, "general": general, "sampling": Sampling.ALL, "scope": Scope.MLP, **changes}
    return RunSpec(model=ModelSpec(model=str(model), device="cpu"), calibration=CalibrationSpec.parse(values))


def flip(path: Path, where: float) -> None:
    """Change one bit."""
    content = bytearray(path.read_bytes())
    content[int(where * (len(content) - 1))] ^= 1
    path.write_bytes(bytes(content))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


PARTS = ("statistics.safetensors", "sketch.npz", "histograms.npz", "summary.parquet")


class TestChecksums:
    def test_a_whole_analysis_is_verified(self, tiny_analysis: Path) -> None:
        counts = verify_analysis(tiny_analysis)
        statistics = Statistics.open(tiny_analysis)
        assert counts["files"] == len(PARTS)
        assert counts["tensors"] == sum(len(fields_of(m.role)) for m in statistics.matrices)

    @pytest.mark.parametrize("part", PARTS)
    @pytest.mark.parametrize("harm", [truncate, lambda p: flip(p, 0.5), lambda p: flip(p, 1.0), Path.unlink])
    def test_any_harm_is_named(self, copy: Path, part: str, harm: Callable[[Path], None]) -> None:
        harm(copy / part)
        with pytest.raises(GapruneError, match=part):
            open_analysis(copy)

    def test_a_changed_number_in_the_description_is_seen(self, copy: Path) -> None:
        document = json.loads((copy / SPEC_FILE).read_text(encoding="utf-8"))
        document["medians"]["sqrt_theta"] *= 2
        (copy / SPEC_FILE).write_text(json.dumps(document), encoding="utf-8")
        with pytest.raises(GapruneError, match="its description"):
            open_analysis(copy)

    def test_a_large_file_is_checked_where_it_is_read(self, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(checksums, "HASHED_AT_OPEN", 0)
        statistics = Statistics.open(copy)
        name = statistics.names[0]
        assert statistics.tensor(name, "fisher_domain").shape
        flip(copy / TENSOR_FILE, 1.0)
        changed = Statistics.open(copy)
        failed = []
        for matrix in changed.names:
            for field in ("fisher_domain", "fisher_general", "grad_domain", "grad_general", "act_domain"):
                try:
                    changed.tensor(matrix, field)
                except GapruneError as error:
                    failed.append(str(error))
        assert len(failed) <= 1
        with pytest.raises(GapruneError, match=TENSOR_FILE.split(".")[0]):
            verify_analysis(copy)

    def test_a_damaged_result_is_made_again(
        self, own_workspace: Path, tiny_bert: Path, tiny_triplets: tuple[Path, Path]
    ) -> None:
        run = run_of(tiny_bert, tiny_triplets)
        place = drain(analyze(run))
        before = (place / "sketch.npz").stat().st_size
        truncate(place / "sketch.npz")
        assert drain(analyze(run)) == place
        assert (place / "sketch.npz").stat().st_size == before
        assert verify_analysis(place)["files"] == len(PARTS)


class TestMemory:
    def test_half_the_budget_goes_on_and_says_so(
        self, tiny_bert: Path, tiny_triplets: tuple[Path, Path], tmp_path: Path
    ) -> None:
        model = load_model(ModelSpec(model=str(tiny_bert), device="cpu"))
        sizes: list[int] = []
        room = [10**9]

        def full(module: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> None:
            if torch.is_grad_enabled():
                sizes.append(args[0].numel())
                if sizes[-1] > room[0]:
                    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

        model.backbone.get_input_embeddings().register_forward_pre_hook(full)  # type: ignore[operator]
        run = run_of(tiny_bert, tiny_triplets, token_budget=512)
        plain = drain(analyze(run, tmp_path / "plain", model=model))
        # From here on the largest batch that there was does not fit, as on a card that another process fills.
        room[0] = max(sizes) - 1
        place = drain(analyze(run, tmp_path / "starved", model=model))
        notes = " ".join(Statistics.open(place).document["notes"])
        assert "Memory ran out with batches of 512 tokens" in notes
        mine, theirs = Statistics.open(place), Statistics.open(plain)
        for name in mine.names:
            for field in ("fisher_domain", "grad_general"):
                expected = theirs.tensor(name, field)
                assert float((mine.tensor(name, field) - expected).norm() / expected.norm()) < 1e-4

    def test_no_memory_at_all_is_one_line(
        self, tiny_bert: Path, tiny_triplets: tuple[Path, Path], tmp_path: Path
    ) -> None:
        model = load_model(ModelSpec(model=str(tiny_bert), device="cpu"))

        def full(*_: object) -> None:
            if torch.is_grad_enabled():
                raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory")

        words = model.backbone.get_input_embeddings()  # type: ignore[operator]
        with words.register_forward_pre_hook(full), pytest.raises(GapruneError, match="Memory runs out even"):
            drain(analyze(run_of(tiny_bert, tiny_triplets), tmp_path / "none", model=model))
        assert not (tmp_path / "none").exists()

    def test_a_backward_that_failed_keeps_nothing(self) -> None:
        """PyTorch keeps what was still to be done in the thread: other batches would never get its memory."""

        class Fails(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
                return x.clone()

            @staticmethod
            def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
                raise RuntimeError("out of memory")

        def kept() -> int:
            gc.collect()
            return sum(type(o) is torch.Tensor and o.shape == (1_237,) for o in gc.get_objects())

        def batch() -> None:
            x = torch.ones(1_237, requires_grad=True)
            y = x * 2
            ((y * y).sum() + Fails.apply(y).sum()).backward()  # type: ignore[union-attr]

        with pytest.raises(RuntimeError, match="out of memory"):
            batch()
        recover()
        assert kept() == 0

    def test_an_analysis_is_opened_where_no_thread_can_be_started(self, tiny_analysis: Path) -> None:
        code = """
import resource, sys
from pathlib import Path
import pandas, pyarrow.parquet
from gaprune_viz import open_analysis
taken = int(Path("/proc/self/status").read_text().split("VmSize:")[1].split()[0]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (taken + 6 * 2**20,) * 2)
print(len(open_analysis(Path(sys.argv[1])).summary))
"""
        done = subprocess.run(
            [sys.executable, "-c", code, str(tiny_analysis)], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) == len(Statistics.open(tiny_analysis).matrices)

    def test_onednn_is_left_out_for_a_while(self) -> None:
        before = torch.backends.mkldnn.enabled
        with plain_kernels():
            assert not torch.backends.mkldnn.enabled
        assert torch.backends.mkldnn.enabled == before

    @pytest.mark.parametrize("error", [MemoryError(), RuntimeError("std::bad_alloc")])
    def test_elsewhere_it_is_one_line_too(self, error: MemoryError | RuntimeError) -> None:
        assert _out_of_memory(error).startswith("Memory ran out. Set a smaller scope")

        def work(report: Any, stopped: Any) -> None:
            raise error

        with pytest.raises(GapruneError, match="Memory ran out"):
            list(watched_work.watched(work, threading.Event(), Owner("test")))
        with pytest.raises(RuntimeError, match="shapes"):
            _out_of_memory(RuntimeError("shapes do not match"))

    def test_other_errors_are_not_taken_for_it(self) -> None:
        assert is_out_of_memory(MemoryError())
        assert not is_out_of_memory(RuntimeError("shapes do not match"))
        assert not is_out_of_memory(ValueError("out of memory"))


def test_a_model_that_changes_under_a_run_leaves_no_result(
    own_workspace: Path, tiny_bert: Path, tiny_triplets: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "model"))
    work = analyze(run_of(folder, tiny_triplets))
    while not next(work).stage.startswith("Calibrating"):
        pass
    shutil.copyfile(folder / "model.safetensors", folder / "new")
    flip(folder / "new", 1.0)
    (folder / "new").replace(folder / "model.safetensors")
    with pytest.raises(GapruneError, match="was changed while it was in use"):
        drain(work)
    assert list(own_workspace.glob("analysis-*")) == []
    assert list(own_workspace.glob(f"{UNFINISHED}*")) == []


class TestTwoProcesses:
    def test_only_one_makes_a_result(self, tmp_path: Path) -> None:
        place = tmp_path / "analysis-0"
        with alone(place) as mine, alone(place) as theirs:
            assert mine()
            assert not theirs()
        with alone(place) as theirs:
            assert theirs()

    def test_two_writers_of_one_place_both_end_well(self, tmp_path: Path) -> None:
        place = tmp_path / "result"
        with whole_folder(place, marker="m") as first, whole_folder(place, marker="m") as second:
            for folder, text in ((first, "1"), (second, "2")):
                (folder / "m").write_text(text)
        assert (place / "m").read_text() == "1"
        assert [path.name for path in tmp_path.iterdir()] == ["result"]
        assert sorted(path.name for path in place.iterdir()) == ["m"]

    def test_what_a_killed_writer_left_is_deleted_at_once_and_the_livings_is_not(self, tmp_path: Path) -> None:
        dead, alive = tmp_path / f"{UNFINISHED}dead", tmp_path / f"{UNFINISHED}alive"
        for folder in (dead, alive):
            folder.mkdir()
            (folder / WRITING).touch()
        with FileLock(alive / WRITING):
            assert clean(tmp_path) == [dead.name]
        assert clean(tmp_path) == [alive.name]

    def test_who_writes_a_folder_again_deletes_what_a_killed_writer_of_it_left(self, tmp_path: Path) -> None:
        same, other = tmp_path / f"{UNFINISHED}run-1", tmp_path / f"{UNFINISHED}else-1"
        for folder in (same, other):
            folder.mkdir()
            (folder / WRITING).touch()
        with whole_folder(tmp_path / "run", marker="m") as folder:
            assert not same.exists()
            assert other.exists()
            (folder / "m").touch()


@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_a_terminal_without_greek_letters_loses_nothing(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gaprune_viz", "criteria"],
        capture_output=True,
        env={**os.environ, **environment},
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert b"magnitude" in done.stdout
