"""Domains: run a transfer map, or open one; what it says, and one cell of it in detail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.session.view import Shown
from gaprune_viz.app.tabs.domains.agreement import AGREEMENT
from gaprune_viz.app.tabs.domains.analysis_sections import Section
from gaprune_viz.app.tabs.domains.finished_maps import MAPS
from gaprune_viz.app.tabs.domains.run_panel import RunningPanel, build_running
from gaprune_viz.app.tabs.domains.selection import MASK, REAL, REFIT, SHUFFLED
from gaprune_viz.app.widgets.elements import html, with_files
from gaprune_viz.app.widgets.events import Changes
from gaprune_viz.app.widgets.scripts import of_element
from gaprune_viz.figures.kit import panels

EMPTY = panels.empty_state("No map opened", "Choose one above, or open a transfer.json that you made.")
KEPT = (("As they were", MASK), ("Refitted", REFIT))
QUERY_WIDTH = "36%"
SECTIONS = (AGREEMENT,)
TEXTS = (("Real sources", REAL), ("Shuffled (control)", SHUFFLED))


@dataclass(frozen=True)
class DomainsTab:
    """The components that handlers read and write."""

    pick: gr.Dropdown
    upload: gr.File
    row: gr.Dropdown
    sparsity: gr.Radio
    kept: gr.Radio
    texts: gr.Radio
    place: gr.Textbox
    says: gr.HTML
    scores: gr.HTML
    overlap: gr.HTML
    words: gr.HTML
    advantage: gr.Plot
    detail: gr.HTML
    load: gr.Button
    differences: gr.HTML
    queries: gr.Dataframe
    table: gr.Dataframe
    sections: tuple[tuple[Section, Any], ...]
    running: RunningPanel

    @property
    def choices(self) -> list[Any]:
        """What says which table of a map is looked at."""
        return [self.row, self.sparsity, self.kept, self.texts]

    @property
    def grids(self) -> list[gr.HTML]:
        """The maps whose cells can be chosen."""
        return [self.scores, self.overlap, self.words]

    @property
    def opened(self) -> list[Any]:
        """What another map, or another table or cell of it, changes."""
        drawn = [*self.grids, self.says, self.advantage, self.detail, self.load, self.differences, self.queries]
        return [self.pick, *self.choices, self.place, *drawn, self.table]

    @property
    def section_writes(self) -> list[Any]:
        """What follows the analysis on screen."""
        return [part for section, parts in self.sections for part in section.writes(parts)]

    def drawn(self, shown: Shown) -> Changes:
        """The parts that follow the analysis on screen."""
        changes: Changes = {}
        for section, parts in self.sections:
            changes |= section.draw(parts, shown)
        return changes


def build(frame: Frame, shown: Shown) -> DomainsTab:
    """Lay the tab out; a map fills it when the tab is opened."""
    gr.Markdown(
        "Weights are chosen with the texts of one source, and the pruned model is measured on every source. If pruning "
        "for a domain differed from pruning in general, the diagonal of the map would stand out. "
        "`gaprune-viz transfer` makes such a map, and so does *Run a transfer map* here."
    )
    running = build_running()
    with gr.Row():
        pick = gr.Dropdown(MAPS.choices(), value=None, label="Map", elem_id="gv-domains-pick", scale=2, min_width=240)
        upload = gr.File(
            label="Or open a transfer.json", file_types=[".json"], elem_id="gv-domains-upload", height=110, scale=1
        )
    with gr.Row():
        row = gr.Dropdown([], label="Criterion", visible=False, elem_id="gv-domains-row", min_width=180)
        sparsity = gr.Radio([], label="Sparsity", visible=False, elem_id="gv-domains-sparsity", min_width=180)
        kept = gr.Radio(
            list(KEPT), value=MASK, label="Kept weights", visible=False, elem_id="gv-domains-kept", min_width=200
        )
        texts = gr.Radio(
            list(TEXTS), value=REAL, label="Calibration texts", visible=False, elem_id="gv-domains-texts", min_width=220
        )
    place = gr.Textbox("", visible="hidden", show_label=False)
    says = html(EMPTY, elem_id="gv-domains-says")
    with gr.Row(elem_classes=["gv-domains-maps"]):
        grids = {
            name: html("", js_on_load=of_element("heatmap"), elem_id=f"gv-domains-{name}", label=label, min_width=300)
            for name, label in (
                ("scores", "Scores by source"),
                ("overlap", "Masks in common"),
                ("words", "Words in common"),
            )
        }
    advantage = gr.Plot(visible=False, show_label=False, elem_id="gv-domains-advantage", min_width=320)
    detail = html("", elem_id="gv-domains-detail")
    load = gr.Button("Load these settings", size="sm", visible=False, elem_id="gv-domains-load", scale=0, min_width=180)
    # Its cells are looked at, and choose nothing.
    differences = html("", js_on_load=of_element("heatmap"), elem_id="gv-domains-places", label="Where masks differ")
    moved = "Rank of the first right answer, dense and by what was calibrated on; what moves most is first"
    queries = with_files(_table(moved, "gv-domains-queries", wrap=True, column_widths=[QUERY_WIDTH]), "queries")
    table = with_files(_table("Every score of the map", "gv-domains-table"), "transfer")
    return DomainsTab(
        *(pick, upload, row, sparsity, kept, texts, place, says),
        **grids,
        advantage=advantage,
        detail=detail,
        load=load,
        differences=differences,
        queries=queries,
        table=table,
        sections=tuple((section, section.build()) for section in SECTIONS),
        running=running,
    )


def _table(label: str, name: str, **options: Any) -> gr.Dataframe:
    return gr.Dataframe(visible=False, interactive=False, label=label, elem_id=name, show_search="filter", **options)
