"""Retrieval: one query side by side, then all sample queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.tab import Asked
from gaprune_viz.app.session.search_queries import LONGEST_QUERY, query_choices
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import Shown
from gaprune_viz.app.widgets.elements import bell, html, with_files
from gaprune_viz.app.widgets.events import Changes
from gaprune_viz.config import SIDES, STARTER_DOMAINS
from gaprune_viz.figures.kit import panels
from gaprune_viz.jobs.works.searching import LIVE_DEPTH

# The browser's way to open a query: a click on its bar in the chart of all.
OPEN_JS = "window.gv = window.gv || {}; window.gv.openQuery = (data) => trigger('select', data);"
# Its way to rank the chosen query at once, as live mode does.
ASK_JS = "window.gv = window.gv || {}; window.gv.ask = () => trigger('select', {});"


@dataclass(frozen=True)
class RetrievalTab:
    """The components that handlers read and write.

    Attributes:
        asked: the query on screen, which live mode ranks anew; empty before the first.
    """

    task: gr.Dropdown
    pick: gr.Dropdown
    steps: tuple[gr.Button, gr.Button]
    opener: gr.HTML
    asking: gr.HTML
    text: gr.Textbox
    compare: gr.Button
    surprise: gr.Button
    live: gr.Checkbox
    asked: gr.State
    ranking: gr.HTML
    measure: gr.Button
    stop: gr.Button
    progress: gr.HTML
    metrics: gr.HTML
    per_query: dict[str, gr.Plot]
    per_query_table: gr.Dataframe
    maps: dict[str, gr.Plot]
    map_table: gr.Dataframe
    blocks: gr.Plot
    blocks_box: gr.Accordion
    blocks_table: gr.Dataframe

    def on_run(self, shown: Shown) -> Changes:
        """The collection of the domain, where it is a starter's."""
        domain = shown.now.analysis.run.calibration.domain
        if domain not in STARTER_DOMAINS:
            return {}
        return {self.task: domain, self.pick: gr.update(choices=query_choices(domain), value=None)}

    def restore(self, asked: Asked) -> Changes:
        """The collection, the sample query and the typed text that an address asks for."""
        params = asked.params
        text, pick = params.get("ask", ""), params.get("pick", "")
        changes: Changes = {}
        if text or pick:
            # A sample query and typed text at once would be two queries.
            changes[self.text] = text[:LONGEST_QUERY]
        task = params.get("task", "")
        if not (task or pick or asked.moved):
            return changes
        task = task or asked.analysis.run.calibration.domain
        if task not in STARTER_DOMAINS:
            return changes
        known = pick in STORE.task(task).queries
        shown = gr.update(choices=query_choices(task), value=pick if known else None)
        return {**changes, self.task: task, self.pick: shown}

    @property
    def measured(self) -> list[Any]:
        """What the measures of all queries change."""
        figures = [*self.per_query.values(), *self.maps.values()]
        return [self.metrics, *figures, self.per_query_table, self.map_table, *self.refitted]

    @property
    def refitted(self) -> list[Any]:
        """What a refit alone has."""
        return [self.blocks, self.blocks_box, self.blocks_table]

    @property
    def stepping(self) -> list[tuple[gr.Button, int]]:
        """The buttons that go through the queries, and how far."""
        return list(zip(self.steps, (-1, 1), strict=True))


def build(frame: Frame, shown: Shown) -> RetrievalTab:
    """Lay the tab out; rankings appear when they are asked for."""
    source = shown.now.analysis.run.calibration.domain
    with gr.Row():
        task = frame.collection
        task.render()
        pick = gr.Dropdown(
            query_choices(source),
            label="Sample query",
            info="The keys [ and ] go through the queries, as do the two buttons.",
            elem_id="gv-pick",
            scale=3,
            min_width=280,
        )
    with gr.Row(elem_classes=["gv-ask"]):
        text = gr.Textbox(
            label="Or type a query",
            placeholder="for example: why does ice float",
            elem_id="gv-query",
            max_length=LONGEST_QUERY,
            scale=4,
            min_width=260,
        )
        run = gr.Button("Compare", variant="primary", elem_id="gv-compare", scale=1, min_width=120)
        surprise = gr.Button("Surprise me", elem_id="gv-surprise", scale=1, min_width=120)
        back = gr.Button("Previous", elem_id="gv-query-back", scale=0, min_width=96)
        ahead = gr.Button("Next", elem_id="gv-query-next", scale=0, min_width=96)
    live = gr.Checkbox(
        True,
        label=f"Live: a slider's move re-ranks the dense top {LIVE_DEPTH} of this query under the new mask",
        elem_id="gv-live",
    )
    progress = html("", elem_id="gv-retrieval-progress")
    ranking = html(
        panels.empty_state(
            "No query compared yet",
            "Pick a sample query or type one, then press Compare: the dense and the pruned model rank the same "
            "passages side by side. The first time, a mask over all weights is made, which takes a second or two.",
        ),
        elem_id="gv-ranking",
    )
    with gr.Row(elem_classes=["gv-actions"]):
        measure = gr.Button("Measure all sample queries", variant="primary", elem_id="gv-measure", min_width=220)
        stop = gr.Button("Stop", variant="stop", elem_id="gv-stop-retrieval", min_width=90)
    metrics = html("", elem_id="gv-metrics")
    blocks = gr.Plot(visible=False, show_label=False, elem_id="gv-block-errors", min_width=320)
    with gr.Accordion("Every block as a table", open=False, visible=False) as blocks_box:
        blocks_table = gr.Dataframe(interactive=False, elem_id="gv-block-errors-table")
    per_query, maps = {}, {}
    with gr.Row():
        for side in SIDES:
            per_query[side] = gr.Plot(visible=False, show_label=False, elem_id=f"gv-per-query-{side}", min_width=320)
    with gr.Accordion("Every query as a table", open=False):
        table = with_files(
            gr.Dataframe(interactive=False, elem_id="gv-per-query-table", show_search="filter"), "queries"
        )
    with gr.Row():
        for side in SIDES:
            maps[side] = gr.Plot(visible=False, show_label=False, elem_id=f"gv-map-{side}", min_width=320)
    with gr.Accordion("Every point of the maps as a table", open=False):
        points = with_files(gr.Dataframe(interactive=False, elem_id="gv-map-table", show_search="filter"), "maps")
    opener, asking = bell(OPEN_JS, "gv-open"), bell(ASK_JS, "gv-ask")
    return RetrievalTab(
        *(task, pick, (back, ahead), opener, asking, text, run, surprise, live, gr.State({})),
        *(ranking, measure, stop, progress, metrics),
        per_query=per_query,
        per_query_table=table,
        maps=maps,
        map_table=points,
        blocks=blocks,
        blocks_box=blocks_box,
        blocks_table=blocks_table,
    )
