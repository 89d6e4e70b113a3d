"""A result is replaced in one step or in two, and a process that is killed at any moment loses nothing."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gaprune_viz.storage.folder_swap import UNFINISHED, exchange
from gaprune_viz.storage.workspace import WRITING, clean, folder_bytes
from tests.unit.storage.results import MARKER, names, write

REPLACING = Path(__file__).parents[2] / "reliability" / "replacing.py"
linux = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux's kernel")


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
