"""Export: the pruned model, the table, the settings, and how to get the same numbers again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.session.view import Shown
from gaprune_viz.app.tabs.export import view
from gaprune_viz.app.tabs.export.reproduce import python_text, shell_text
from gaprune_viz.app.widgets.elements import html
from gaprune_viz.app.widgets.events import Changes


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

    def open(self, shown: Shown) -> Changes:
        """Files and commands of the present state."""
        now = shown.now
        return {
            self.table: view.write_table(now),
            self.settings: view.write_settings(now),
            self.shell: shell_text(now.analysis.run, shown.settings),
            self.python: python_text(now.analysis.run, shown.settings),
        }


def build(frame: Frame, shown: Shown) -> ExportTab:
    """Lay the tab out."""
    now = shown.now
    gr.Markdown(
        "**The pruned model** is a sentence-transformers folder with `mask.safetensors`, `gaprune.json` and a model "
        "card: `SentenceTransformer(path)` loads it. Its zeros are stored as zeros: it is as large and as fast as the "
        "dense one, as *Measure speed* shows. With a *Structure* other than weights what goes is cut out instead: the "
        "folder is smaller and faster, and has no mask."
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
        "exact mask, which the cards above show once it is made; until then they show a preview. On the bundled "
        "example the page's masks come from compact statistics, nearly the exact ones; *Run* makes the exact ones."
    )
    run, chosen = now.analysis.run, now.preview.settings
    look: dict[str, Any] = {"wrap_lines": True, "min_width": 320}
    with gr.Row():
        shell = gr.Code(shell_text(run, chosen), language="shell", label="From a shell", elem_id="gv-shell", **look)
        python = gr.Code(python_text(run, chosen), language="python", label="From Python", elem_id="gv-python", **look)
    return ExportTab(make, stop, progress, model, table, settings, shell, python, measure, speed)
