"""Export: the pruned model, the table, the settings, and how to get the same numbers again."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from gaprune_viz.app import views
from gaprune_viz.app.elements import html
from gaprune_viz.app.reproduce import python_text, shell_text
from gaprune_viz.app.store import STORE
from gaprune_viz.results import prune
from gaprune_viz.tables import csv_text
from gaprune_viz.workspace import workspace

KEPT_SECONDS = 3_600


@dataclass(frozen=True)
class ExportTab:
    """The components that handlers write to."""

    make: gr.Button
    stop: gr.Button
    progress: gr.HTML
    model: gr.DownloadButton
    table: gr.DownloadButton
    settings: gr.DownloadButton
    shell: gr.Code
    python: gr.Code
    measure: gr.Button
    speed: gr.HTML


def build_export(now: views.Live) -> ExportTab:
    """Lay the tab out."""
    gr.Markdown(
        "**The pruned model** is a sentence-transformers folder with `mask.safetensors`, `gaprune.json` and a model "
        "card: `SentenceTransformer(path)` loads it. Its zeros are stored as zeros: it is as large and as fast as the "
        "dense one, as *Measure speed* shows."
    )
    with gr.Row(elem_classes=["gv-actions"]):
        make = gr.Button("Make pruned model", variant="primary", elem_id="gv-export", min_width=190)
        measure = gr.Button("Measure speed", elem_id="gv-measure-speed", min_width=150)
        stop = gr.Button("Stop", variant="stop", elem_id="gv-stop-export", min_width=90)
        model = gr.DownloadButton("Model (.zip)", interactive=False, elem_id="gv-download-model", min_width=140)
    progress = html("", elem_id="gv-export-progress")
    speed = html("", elem_id="gv-speed")
    gr.Markdown("**The numbers on screen**: every matrix as a table; run, settings and what decides as JSON.")
    with gr.Row(elem_classes=["gv-actions"]):
        table = gr.DownloadButton("Table (.csv)", elem_id="gv-download-table", min_width=140)
        settings = gr.DownloadButton("Settings (.json)", elem_id="gv-download-settings", min_width=140)
    gr.Markdown(
        "**Reproduce this**: the same analysis, the same mask, the same numbers. Counts and shares are those of the "
        "exact mask, which the cards above show once it is made; until then they show a preview."
    )
    run, chosen = now.analysis.run, now.preview.settings
    look: dict[str, Any] = {"wrap_lines": True, "min_width": 320}
    with gr.Row():
        shell = gr.Code(shell_text(run, chosen), language="shell", label="From a shell", elem_id="gv-shell", **look)
        python = gr.Code(python_text(run, chosen), language="python", label="From Python", elem_id="gv-python", **look)
    return ExportTab(make, stop, progress, model, table, settings, shell, python, measure, speed)


def write_table(now: views.Live) -> str:
    """The matrix table as CSV; the path of the file."""
    path = fresh("matrices.csv")
    path.write_text(csv_text(views.matrix_table(now)), encoding="utf-8")
    return str(path)


def write_settings(now: views.Live) -> str:
    """Run, settings and diagnostics as JSON; the path of the file."""
    path = fresh("settings.json")
    preview = now.preview
    document = {
        "run": now.analysis.run.model_dump(mode="json"),
        "settings": preview.settings.model_dump(mode="json"),
        "analysis": now.analysis.key,
        "preview": {
            "kappa": preview.kappa,
            "term_shares": preview.term_shares,
            "overlap": now.overlaps.overlap,
            "jaccard": now.overlaps.jaccard,
            "pruned_fraction": dict(zip(now.analysis.statistics.names, preview.pruned_fraction.tolist(), strict=True)),
            "sentence": preview.sentence,
        },
        "versions": now.analysis.statistics.document["versions"],
    }
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return str(path)


def export_place(now: views.Live) -> Path:
    """Where the pruned model of these settings is kept."""
    return workspace() / f"export-{now.analysis.key}-{now.preview.settings.key()}"


def exported(now: views.Live, report: Callable[[str, int, int], None]) -> Path:
    """Write the pruned model of an analysis with all its tensors; its folder."""
    place = export_place(now)
    report("Writing the pruned model", 0, 0)
    prune(now.analysis.folder, now.preview.settings, place, model=STORE.dense(now.analysis))
    return place


def zipped(folder: Path) -> str:
    """The folder as one file to download; its path."""
    return shutil.make_archive(str(fresh("pruned-model")), "zip", folder)


def fresh(name: str) -> Path:
    """A file name in a folder of its own. Gradio copies the file at once, so earlier ones are deleted after a while."""
    base = Path(tempfile.gettempdir()) / f"gaprune-viz-downloads-{os.getuid()}"
    base.mkdir(exist_ok=True, mode=0o700)
    for folder in base.iterdir():
        with suppress(FileNotFoundError):
            if time.time() - folder.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(dir=base)) / name
