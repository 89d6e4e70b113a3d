"""What a click in the atlas does, and what its pickers do."""

from __future__ import annotations

import gradio as gr

from gaprune_viz.app.frame.address import look_query
from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.tab import Wiring
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import Shown, View
from gaprune_viz.app.tabs.atlas import view
from gaprune_viz.app.tabs.atlas.layout import AtlasTab
from gaprune_viz.app.widgets.events import CARRIES, Changes, Values, arrived, listener, sent_with
from gaprune_viz.errors import GapruneError
from gaprune_viz.figures.kit import panels


def wire(tab: AtlasTab, page: Wiring) -> None:
    """Connect pickers and heatmap."""
    frame = page.frame
    pickers = [tab.metric, tab.scale, tab.grouping]
    recolouring = listener(
        lambda values: recolour(tab, frame, values), [*frame.state, *pickers], [frame.view, tab.heatmap, frame.look]
    )
    gr.on([picker.input for picker in pickers], **recolouring)

    def selected(values: Values, event: gr.EventData) -> Changes:
        return select(tab, frame, values, event)

    shown = [frame.view, tab.heatmap, tab.detail, tab.histogram, frame.look]
    tab.heatmap.select(  # type: ignore[attr-defined]
        **listener(selected, frame.state, shown, CARRIES)
    ).then(**arrived("gv-atlas")).then(**page.follow_selection)


def recolour(tab: AtlasTab, frame: Frame, values: Values) -> Changes:
    """Another metric, scale or grouping."""
    chosen = {"metric": values[tab.metric], "scale": values[tab.scale], "grouping": values[tab.grouping]}
    looked = View.parse({**values[frame.view], **chosen})
    try:
        shown = Shown(looked, frame.tuning.settings(values))
        return {
            frame.view: looked.model_dump(),
            tab.heatmap: view.atlas_html(shown),
            frame.look: look_query(looked, shown.now.analysis.statistics.matrices),
        }
    except GapruneError as error:
        return {tab.heatmap: panels.error_card(error.message, error.hint)}


def select(tab: AtlasTab, frame: Frame, values: Values, event: gr.EventData) -> Changes:
    """Another matrix; everything below the heatmap follows."""
    looked = frame.view_of(values)
    name = selected_from(event, looked)
    if name is None:
        return {}
    looked = looked.with_(selected=name)
    shown = Shown(looked, frame.tuning.settings(values))
    return {
        frame.view: looked.model_dump(),
        **tab.at_once(shown),
        **tab.on_matrix(shown),
        frame.look: look_query(looked, shown.now.analysis.statistics.matrices),
    }


def selected_from(event: gr.EventData, looked: View) -> str | None:
    """The name of the clicked matrix; None for anything that is not one. Browsers may send anything."""
    name = sent_with(event).get("name")
    analysis = STORE.analysis(looked.analysis)
    return name if isinstance(name, str) and name in analysis.statistics.names else None
