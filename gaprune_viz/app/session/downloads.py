"""Files that people download, and the pruned models that they are packed from."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import Live
from gaprune_viz.criteria.registry import settled
from gaprune_viz.jobs.watching import Report, driven
from gaprune_viz.pruning.export import pruning
from gaprune_viz.storage.csv_tables import csv_text
from gaprune_viz.storage.workspace import workspace

KEPT_SECONDS = 3_600


def exported(now: Live, report: Report, stopped: Callable[[], bool]) -> Path:
    """Write the pruned model of an analysis with all its tensors; its folder, where it is kept."""
    settings = settled(now.preview.settings)
    near = "" if now.analysis.statistics.exact else "-compact"
    place = workspace() / f"export-{now.analysis.key}-{settings.key()}{near}"
    report("Writing the pruned model", 0, 0)
    driven(pruning(now.analysis.folder, settings, place, model=STORE.dense(now.analysis)), report, stopped)
    return place


def zipped(folder: Path) -> str:
    """The folder as one file to download; its path."""
    return shutil.make_archive(str(fresh("pruned-model")), "zip", folder)


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
