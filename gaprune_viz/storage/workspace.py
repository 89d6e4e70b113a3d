"""Results on disk: written beside their place and renamed when whole, found by content, bounded in size."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from gaprune_viz.errors import GapruneError
from gaprune_viz.storage.folder_swap import UNFINISHED, WASTE, bring_back, moved_away, swap_in

if TYPE_CHECKING:
    from filelock import FileLock

WORKSPACE_VARIABLE = "GAPRUNE_VIZ_WORKSPACE"
# An empty folder, for the moment until it is locked.
STARTING = ".starting-"
WRITING = ".writing"
RESULTS = ("analysis-*", "export-*", "merged-*", "uploads/*")
WORKSPACE_LIMIT = 20 * 2**30
UPLOAD_PREFIX = "upload:"
UPLOADS = "uploads"
LOCKS = ".locks"
STALE_SECONDS = 86_400


def workspace() -> Path:
    """The folder where analyses are kept: `$GAPRUNE_VIZ_WORKSPACE`, or `gaprune-viz` in the user's cache folder.

    Raises:
        GapruneError: it cannot be made or written.
    """
    named = os.environ.get(WORKSPACE_VARIABLE)
    base = Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "gaprune-viz"
    try:
        base.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GapruneError(
            f"The workspace {base} cannot be made: {error.strerror}.", f"Set {WORKSPACE_VARIABLE} to a folder you own."
        ) from error
    return base


@contextmanager
def whole_folder(place: Path, *, marker: str) -> Iterator[Path]:
    """Write a folder so that others see all of it or nothing, or what was there before.

    What a killed writer of the same left is deleted first, and what it had moved away is put back.

    Args:
        place: where the folder shall be. An earlier result there is replaced; anything else is left alone.
        marker: a file that only our own results hold, by which an earlier result is known.

    Yields:
        a new folder beside `place`, renamed to `place` at the end; removed if an exception passes.

    Raises:
        GapruneError: `place` holds something else, or cannot be written.
    """
    if place.exists() and not (place.is_dir() and ((place / marker).is_file() or not any(place.iterdir()))):
        raise GapruneError(f"{place} exists and is not an earlier result.", "Choose another folder with --out.")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        bring_back(place.parent, place.name)
        _sweep_up(place.parent, f"{UNFINISHED}{escape(place.name)}-*")
        folder, writing = _begin(place)
    except OSError as error:
        raise GapruneError(f"{place} cannot be written: {error.strerror}.", "Choose a folder you own.") from error
    from safetensors import SafetensorError

    try:
        yield folder
        folder.chmod(0o755)
        swap_in(folder, place)
        # Only now: what a writer that is killed before leaves is known at once to be nobody's.
        (place / WRITING).unlink(missing_ok=True)
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise MemoryError(f"Writing {place}: {error.strerror}") from error
        raise GapruneError(f"Writing {place} failed: {error.strerror}.", "Check free space and permissions.") from error
    except SafetensorError as error:
        raise GapruneError(f"Writing {place} failed: {error}.", "Check free space and permissions.") from error
    finally:
        writing.release()
        shutil.rmtree(folder, ignore_errors=True)


def _begin(place: Path) -> tuple[Path, FileLock]:
    """A new folder beside a place, and the lock in it, held: by it, who sweeps up tells a folder that is being written
    from one whose writer was killed. It has its name only once it is locked, so no kill leaves one without a lock."""
    from filelock import FileLock

    start = Path(tempfile.mkdtemp(prefix=f"{STARTING}{place.name}-", dir=place.parent))
    writing = FileLock(start / WRITING, thread_local=False)
    try:
        writing.acquire()
        return start.rename(start.with_name(UNFINISHED + start.name.removeprefix(STARTING))), writing
    except OSError:
        shutil.rmtree(start, ignore_errors=True)
        raise


@contextmanager
def alone(place: Path) -> Iterator[Callable[[], bool]]:
    """A lock between processes on the making of one result, which is released when its holder dies.

    Yields:
        a function that tries to take it, and says whether it is held.

    Raises:
        GapruneError: the workspace cannot be written.
    """
    from filelock import FileLock, Timeout

    folder = place.parent / LOCKS
    try:
        folder.mkdir(exist_ok=True)
        lock = FileLock(folder / f"{place.name}.lock", thread_local=False)
    except OSError as error:
        raise GapruneError(f"{folder} cannot be made: {error.strerror}.", "Choose a folder you own.") from error

    def take() -> bool:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        except OSError as error:
            raise GapruneError(f"{folder} cannot be written: {error.strerror}.", "Choose a folder you own.") from error
        return True

    try:
        yield take
    finally:
        lock.release()


def write_whole(place: Path, text: str) -> None:
    """Write a text file so that others see all of it or what was there before.

    Raises:
        GapruneError: it cannot be written.
    """
    with _beside(place, text) as written:
        written.replace(place)


def write_first(place: Path, text: str) -> bool:
    """Write a text file where there is none: of several that try, one does, and others see all of its or nothing.

    Returns:
        whether this was the one.

    Raises:
        GapruneError: it cannot be written.
    """
    with _beside(place, text) as written:
        try:
            place.hardlink_to(written)
        except FileExistsError:
            return False
        except OSError:
            # Some file systems have no second names. What several write there is the same.
            written.replace(place)
    return True


@contextmanager
def _beside(place: Path, text: str) -> Iterator[Path]:
    """A file with some text beside a place, until it is there."""
    written: Path | None = None
    try:
        with tempfile.NamedTemporaryFile("w", dir=place.parent, suffix=".tmp", delete=False, encoding="utf-8") as file:
            written = Path(file.name)
            file.write(text)
        written.chmod(0o644)
        yield written
    except OSError as error:
        raise GapruneError(f"Writing {place} failed: {error.strerror}.", "Check free space and permissions.") from error
    finally:
        if written is not None:
            with suppress(OSError):
                written.unlink(missing_ok=True)


def clean(base: Path, *, keep: Path | None = None, largest: int = WORKSPACE_LIMIT) -> list[str]:
    """Delete the longest unused results until the rest fits, and what work that was killed left behind.

    An earlier result that such work had moved away is put back first.

    A result is in use when it is made, found again or opened: its folder's time says so.

    Args:
        base: the workspace.
        keep: a result that stays in any case.
        largest: bytes that may stay.

    Returns:
        names of the deleted folders.
    """
    bring_back(base)
    deleted = _sweep_up(base, f"{UNFINISHED}*") + _sweep_up(base, f"{STARTING}*")
    folders = [f for kind in RESULTS for f in base.glob(kind) if f.is_dir()]
    folders.sort(key=lambda f: (f == keep, _stat(f)[0]), reverse=True)
    used = 0
    for folder in folders:
        used += folder_bytes(folder)
        if used > largest and folder != keep:
            shutil.rmtree(folder, ignore_errors=True)
            deleted.append(folder.name)
    return deleted


def _sweep_up(base: Path, pattern: str) -> list[str]:
    """Delete unfinished folders whose writer was killed; their names."""
    abandoned = [leftover for leftover in base.glob(pattern) if _abandoned(leftover)]
    for leftover in abandoned:
        shutil.rmtree(leftover, ignore_errors=True)
    return [leftover.name for leftover in abandoned]


def _abandoned(leftover: Path) -> bool:
    """Whether an unfinished folder's writer is gone: its lock is free; or, where there is none, it is a day old."""
    from filelock import FileLock, Timeout

    if leftover.name.endswith(WASTE):
        return True
    if moved_away(leftover):
        return False
    try:
        # One that is starting may have its lock not yet.
        if leftover.name.startswith(STARTING) or not (leftover / WRITING).exists():
            return time.time() - leftover.stat().st_mtime > STALE_SECONDS
        with FileLock(leftover / WRITING, timeout=0):
            return True
    except (Timeout, OSError):
        return False


def folder_bytes(folder: Path) -> int:
    """Bytes of all files in a folder. Others may be writing in it: what is gone meanwhile counts nothing."""
    return sum(_stat(path)[1] for path in folder.rglob("*"))


def _stat(path: Path) -> tuple[float, int]:
    """When a folder or file was changed, and a file's bytes; zeros where it is gone."""
    try:
        told = path.stat()
    except OSError:
        return 0.0, 0
    return told.st_mtime, told.st_size if stat.S_ISREG(told.st_mode) else 0


def keep_upload(path: Path, base: Path | None = None) -> str:
    """Copy an uploaded file into the workspace.

    Returns:
        `upload:TOKEN/NAME`, by which `upload_path` finds it again; the token cannot be guessed.

    Raises:
        GapruneError: it cannot be written.
    """
    token, name = secrets.token_urlsafe(16), re.sub(r"[^\w.-]+", "_", path.name)[-80:].lstrip(".-") or "upload"
    try:
        folder = (base or workspace()) / UPLOADS / token
        folder.mkdir(parents=True)
        shutil.copyfile(path, folder / name)
    except OSError as error:
        raise GapruneError(f"{name} cannot be kept: {error.strerror}.", "Check free space and permissions.") from error
    return f"{UPLOAD_PREFIX}{token}/{name}"


def upload_path(source: str, base: Path | None = None) -> Path:
    """The file behind `upload:TOKEN/NAME`.

    Raises:
        GapruneError: the form is not that, or the file is gone.
    """
    match = re.fullmatch(rf"{UPLOAD_PREFIX}([\w-]{{22}})/(\w[\w.-]{{0,79}})", source)
    path = (base or workspace()) / UPLOADS / match[1] / match[2] if match else None
    if path is None or path.is_symlink() or not path.is_file():
        raise GapruneError("That upload is not here, or no longer.", "Upload the file again.")
    return path
