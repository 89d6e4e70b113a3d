"""Files that people download."""

from __future__ import annotations

import functools
import os
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from gaprune_viz.errors import GapruneError
from gaprune_viz.storage.csv_tables import csv_text

KEPT_SECONDS = 3_600


def new_zip() -> str:
    """Where the next pruned model is packed, without `.zip`."""
    return str(fresh("pruned-model"))


def written(name: str, text: str) -> str:
    """A text as a file to download; its path.

    Raises:
        GapruneError: it cannot be written.
    """
    path = fresh(name)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _unwritten(name, error) from error
    return str(path)


def csv_button(name: str, frame: pd.DataFrame) -> Any:
    """What a download button becomes that gives a table as CSV."""
    return gr.update(value=written(name, csv_text(frame)), visible=True)


def fresh(name: str) -> Path:
    """A file name in a folder of its own. Gradio copies the file at once, so earlier ones are deleted after a while.

    Raises:
        GapruneError: there is no room for it.
    """
    try:
        base = _base()
        for folder in base.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - folder.stat().st_mtime > KEPT_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)
        return Path(tempfile.mkdtemp(dir=base)) / name
    except OSError as error:
        raise _unwritten(name, error) from error


def _base() -> Path:
    """The folder of this user's downloads; one that nobody can guess where its usual name is taken by somebody else."""
    # Where users have no number, their folder for temporary files is their own.
    owner = os.getuid() if hasattr(os, "getuid") else None
    base = Path(tempfile.gettempdir()) / f"gaprune-viz-downloads-{'mine' if owner is None else owner}"
    with suppress(FileExistsError):
        base.mkdir(mode=0o700)
    told = base.lstat()
    return base if stat.S_ISDIR(told.st_mode) and owner in (None, told.st_uid) else _own_base()


@functools.cache
def _own_base() -> Path:
    return Path(tempfile.mkdtemp(prefix="gaprune-viz-downloads-"))


def _unwritten(name: str, error: OSError) -> GapruneError:
    return GapruneError(f"{name} cannot be written: {error.strerror}.", "Check free space, then try again.")
