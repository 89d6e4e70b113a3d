"""Files that people download."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from gaprune_viz.storage.csv_tables import csv_text

KEPT_SECONDS = 3_600


def new_zip() -> str:
    """Where the next pruned model is packed, without `.zip`."""
    return str(fresh("pruned-model"))


def written(name: str, text: str) -> str:
    """A text as a file to download; its path."""
    path = fresh(name)
    path.write_text(text, encoding="utf-8")
    return str(path)


def csv_button(name: str, frame: pd.DataFrame) -> Any:
    """What a download button becomes that gives a table as CSV."""
    return gr.update(value=written(name, csv_text(frame)), visible=True)


def fresh(name: str) -> Path:
    """A file name in a folder of its own. Gradio copies the file at once, so earlier ones are deleted after a while."""
    # Where users have no number, their folder for temporary files is their own.
    owner = os.getuid() if hasattr(os, "getuid") else "mine"
    base = Path(tempfile.gettempdir()) / f"gaprune-viz-downloads-{owner}"
    base.mkdir(exist_ok=True, mode=0o700)
    for folder in base.iterdir():
        with suppress(FileNotFoundError):
            if time.time() - folder.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(dir=base)) / name
