"""The page's own HTML element."""

from __future__ import annotations

from typing import Any

import gradio as gr

# The browser's way to call a handler without a click on one of gradio's parts: `gv.ring({...})`.
_BELL_JS = """window.gv = window.gv || {};
window.gv.ring = (data) => trigger('select', data);
window.gv.plotly = () => server.plotly_source();"""


def plotly_source(_: object = None) -> str:
    """The chart library, for charts that are saved as a page of their own: it works with no network.

    Gradio hands a server function one argument, whatever it is called with.
    """
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def bell(script: str = _BELL_JS, name: str = "gv-bell") -> gr.HTML:
    """An element without a look that hands what the page's scripts send to its `select` handler."""
    return gr.HTML("", js_on_load=script, server_functions=[plotly_source], elem_id=name, elem_classes=["gv-bell"])


def with_files(table: gr.Dataframe, name: str) -> gr.Dataframe:
    """A table with two buttons below it that save all of it, CSV and JSON; the browser does it alone."""
    with gr.Row(elem_classes=["gv-table-bar"]):
        for kind in ("csv", "json"):
            button = gr.Button(kind.upper(), size="sm", min_width=60, scale=0, elem_id=f"{table.elem_id}-{kind}")
            save = f"(table) => gv.frame(table, '{name}', '{kind}')"
            button.click(None, [table], None, js=save, api_visibility="private", show_progress="hidden")
    return table


def html(value: str, **options: Any) -> gr.HTML:
    """HTML under our own style sheet: gradio's text style would override colours and table lines."""
    return gr.HTML(value, apply_default_css=False, **options)
