"""Results appear whole or not at all, and never in place of something else."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gaprune_viz.analysis.catalogue import kept_runs
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.evaluation.comparison import load_pair
from gaprune_viz.storage.folder_swap import UNFINISHED, WASTE, bring_back, exchange
from gaprune_viz.storage.workspace import WORKSPACE_VARIABLE, WRITING, clean, folder_bytes, whole_folder, workspace

MARKER = "spec.json"
REPLACING = Path(__file__).parents[2] / "reliability" / "replacing.py"
# As `whole_folder` calls what it moves away.
MOVED = f"{UNFINISHED}result-abcd_123-old0"
linux = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux's kernel")


def write(place: Path, text: str = "{}") -> None:
    with whole_folder(place, marker=MARKER) as folder:
        (folder / MARKER).write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "down" / "result"
    with whole_folder(place, marker=MARKER) as folder:
        assert folder.parent == place.parent
        (folder / MARKER).write_text("{}")
        (folder / "sub").mkdir()
        assert not place.exists()
    assert names(place) == [MARKER, "sub"]
    assert names(place.parent) == ["result"]
    assert place.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("error", [KeyError("bug"), Cancelled(), KeyboardInterrupt(), GeneratorExit()])
def test_an_exception_in_the_middle_leaves_nothing(error: BaseException, tmp_path: Path) -> None:
    with pytest.raises(type(error)), whole_folder(tmp_path / "result", marker=MARKER) as folder:
        (folder / MARKER).write_text("{}")
        raise error
    assert names(tmp_path) == []


def test_an_exception_in_the_middle_keeps_the_earlier_result(tmp_path: Path) -> None:
    place = tmp_path / "result"
    write(place, "old")
    with pytest.raises(KeyError), whole_folder(place, marker=MARKER) as folder:
        (folder / MARKER).write_text("new")
        raise KeyError
    assert (place / MARKER).read_text() == "old"
    assert names(tmp_path) == ["result"]


def test_an_earlier_result_is_replaced_as_a_whole(tmp_path: Path) -> None:
    place = tmp_path / "result"
    write(place, "old")
    (place / "left over").write_text("x")
    write(place, "new")
    assert names(place) == [MARKER]
    assert (place / MARKER).read_text() == "new"
    assert names(tmp_path) == ["result"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    place = tmp_path / "result"
    place.mkdir()
    write(place)
    assert names(place) == [MARKER]


def test_anything_else_is_left_alone(tmp_path: Path) -> None:
    folder, file = tmp_path / "thesis", tmp_path / "notes.txt"
    folder.mkdir()
    (folder / "chapter.txt").write_text("years of work")
    file.write_text("x")
    for place in (folder, file):
        with pytest.raises(GapruneError, match="is not an earlier result") as raised:
            write(place)
        assert raised.value.hint
    assert names(tmp_path) == ["notes.txt", "thesis"]
    assert (folder / "chapter.txt").read_text() == "years of work"
    assert file.read_text() == "x"


def test_a_place_under_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(GapruneError, match="cannot be written"):
        write(tmp_path / "file" / "result")


def test_a_full_disk_is_told_plainly(tmp_path: Path) -> None:
    with (
        pytest.raises(GapruneError, match=r"Writing .*result failed: No space left on device"),
        whole_folder(tmp_path / "result", marker=MARKER),
    ):
        raise OSError(28, "No space left on device")
    assert names(tmp_path) == []


def test_two_that_write_the_same_place_both_end_well(tmp_path: Path) -> None:
    place = tmp_path / "result"
    with whole_folder(place, marker=MARKER) as first:
        (first / MARKER).write_text("first")
        write(place, "second")
    assert (place / MARKER).read_text() == "first"
    assert names(tmp_path) == ["result"]


def test_the_workspace_is_where_the_variable_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(tmp_path / "a" / "b"))
    assert workspace() == tmp_path / "a" / "b"
    assert workspace().is_dir()
    monkeypatch.delenv(WORKSPACE_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert workspace() == tmp_path / "cache" / "gaprune-viz"
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(tmp_path / "file"))
    with pytest.raises(GapruneError, match="cannot be made") as raised:
        workspace()
    assert WORKSPACE_VARIABLE in raised.value.hint


def test_the_longest_unused_analyses_go_first(tmp_path: Path) -> None:
    for age, name in enumerate(("new", "middle", "old")):
        folder = tmp_path / f"analysis-{name}"
        folder.mkdir()
        (folder / "file").write_bytes(b"x" * 100)
        os.utime(folder, (10**9 - age, 10**9 - age))
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "file").write_bytes(b"x" * 1_000)
    assert folder_bytes(tmp_path / "analysis-new") == 100
    assert clean(tmp_path, largest=300) == []
    assert clean(tmp_path, largest=250) == ["analysis-old"]
    assert names(tmp_path) == ["analysis-middle", "analysis-new", "else"]
    assert sorted(clean(tmp_path, largest=0)) == ["analysis-middle", "analysis-new"]
    assert names(tmp_path) == ["else"]


def replacing(place: Path, *words: object) -> subprocess.Popen[str]:
    """A process that replaces a result; see `tests/reliability/replacing.py`."""
    environment = {**os.environ, "PYTHONPATH": str(REPLACING.parents[2])}
    command = [sys.executable, str(REPLACING), str(place), *map(str, words)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


def test_two_folders_are_exchanged_or_left(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "text").write_text(name)
    done = exchange(tmp_path / "a", tmp_path / "b")
    assert done or sys.platform != "linux"
    assert (tmp_path / "a" / "text").read_text() == ("b" if done else "a")
    assert (tmp_path / "b" / "text").read_text() == ("a" if done else "b")


@linux
def test_a_reader_always_finds_a_whole_result_while_it_is_replaced(tmp_path: Path) -> None:
    place = tmp_path / "result"
    write(place, "old")
    (place / "tensors").write_text("old")
    writer, looks, seen = replacing(place, 200, 0, "none"), 0, set()
    while writer.poll() is None:
        handle = os.open(place, os.O_DIRECTORY)
        try:
            found = set(os.listdir(handle)) - {WRITING}  # noqa: PTH208
            # Deleted meanwhile, where it is no longer in place; while it is held open its number is not used again.
            if os.fstat(handle).st_ino == place.stat().st_ino:
                assert found == {MARKER, "tensors"}
                seen.add(os.fstat(handle).st_ino)
        finally:
            os.close(handle)
        looks += 1
    assert writer.wait() == 0
    assert len(seen) > 1 and looks > len(seen)
    assert (place / MARKER).read_text() == "new 199"
    assert names(place) == [MARKER, "tensors"]
    assert names(tmp_path) == ["result"]


@linux
@pytest.mark.parametrize("refusal", [errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP])
def test_where_folders_cannot_be_exchanged_a_result_is_replaced_in_two_steps(refusal: int, tmp_path: Path) -> None:
    place = tmp_path / "result"
    write(place, "old")
    assert replacing(place, 3, refusal, "none").wait() == 0
    assert (place / MARKER).read_text() == "new 2"
    assert names(tmp_path) == ["result"]


@linux
def test_a_kill_between_the_two_steps_loses_nothing(tmp_path: Path) -> None:
    place = tmp_path / "result"
    write(place, "old")
    assert replacing(place, 1, errno.ENOSYS, "kill").wait() == -signal.SIGKILL
    assert not place.exists()
    assert len(names(tmp_path)) == 2
    # The next that comes, whatever it does here.
    assert len(clean(tmp_path)) == 1
    assert (place / MARKER).read_text() == "old"
    assert names(tmp_path) == ["result"]


@linux
@pytest.mark.parametrize("harm", ["error", "interrupt"])
def test_a_failure_between_the_two_steps_puts_the_earlier_result_back(harm: str, tmp_path: Path) -> None:
    place = tmp_path / "result"
    write(place, "old")
    child = replacing(place, 1, errno.EINVAL, harm)
    _, said = child.communicate()
    assert child.returncode != 0
    assert ("Writing" in said and "Input/output error" in said) if harm == "error" else "KeyboardInterrupt" in said
    assert (place / MARKER).read_text() == "old"
    assert names(tmp_path) == ["result"]


@linux
def test_a_kill_after_the_exchange_leaves_the_new_result(tmp_path: Path) -> None:
    place = tmp_path / "result"
    write(place, "old")
    assert replacing(place, 1, 0, "late").wait() == -signal.SIGKILL
    assert (place / MARKER).read_text() == "new 0"
    assert len(names(tmp_path)) == 2
    write(place, "newer")
    assert (place / MARKER).read_text() == "newer"
    assert names(tmp_path) == ["result"]


def moved(folder: Path, text: str = "old") -> Path:
    """A result as a killed process leaves it between the two steps."""
    folder.mkdir(parents=True)
    (folder / MARKER).write_text(text)
    return folder


def test_whoever_writes_again_puts_the_earlier_result_back_first(tmp_path: Path) -> None:
    moved(tmp_path / MOVED)
    with pytest.raises(KeyError), whole_folder(tmp_path / "result", marker=MARKER):
        assert (tmp_path / "result" / MARKER).read_text() == "old"
        raise KeyError
    assert names(tmp_path) == ["result"]


def test_what_was_moved_away_is_never_taken_for_another_name(tmp_path: Path) -> None:
    longer = moved(tmp_path / f"{UNFINISHED}result-2-abcd_123-old0")
    bring_back(tmp_path, "result")
    assert names(tmp_path) == [longer.name]
    bring_back(tmp_path)
    assert names(tmp_path) == ["result-2"]


def test_what_has_a_successor_is_deleted(tmp_path: Path) -> None:
    write(tmp_path / "result", "new")
    moved(tmp_path / MOVED)
    moved(tmp_path / f"{UNFINISHED}else-abcd_123{WASTE}")
    assert clean(tmp_path) == [f"{UNFINISHED}else-abcd_123{WASTE}"]
    assert names(tmp_path) == ["result"]
    assert (tmp_path / "result" / MARKER).read_text() == "new"


def test_an_old_result_that_was_moved_away_outlives_a_day(tmp_path: Path) -> None:
    old = moved(tmp_path / MOVED)
    os.utime(old, (10**9, 10**9))
    # What is in its place is no folder: it stays where it is.
    (tmp_path / "result").write_text("x")
    clean(tmp_path)
    assert (old / MARKER).read_text() == "old"


def test_an_analysis_that_was_moved_away_is_found(tiny_analysis: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_analysis, tmp_path / f"{UNFINISHED}analysis-1-abcd_123-old0")
    assert Statistics.open(tmp_path / "analysis-1").names
    (tmp_path / "analysis-1").rename(tmp_path / f"{UNFINISHED}analysis-1-abcd_123-old3")
    assert [run.id for run in kept_runs(tmp_path)] == ["analysis-1"]


def test_a_pruned_model_that_was_moved_away_is_found(tmp_path: Path) -> None:
    moved(tmp_path / f"{UNFINISHED}export-abcd_123-old0")
    with pytest.raises(GapruneError, match="is not a pruned model"):
        load_pair(tmp_path / "export")


@linux
def test_a_kill_at_the_very_beginning_leaves_nothing_that_looks_unfinished(tmp_path: Path) -> None:
    assert replacing(tmp_path / "result", 1, 0, "first").wait() == -signal.SIGKILL
    [left] = names(tmp_path)
    assert not left.startswith(UNFINISHED)
    assert folder_bytes(tmp_path / left) == 0
    # It is as one whose writer is about to lock it, so it goes when it is old.
    assert clean(tmp_path) == []
    os.utime(tmp_path / left, (10**9, 10**9))
    assert clean(tmp_path) == [left]
