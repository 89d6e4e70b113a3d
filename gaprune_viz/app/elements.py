"""The page's own HTML element."""

from __future__ import annotations

from typing import Any

import gradio as gr

# The browser's way to call a handler without a click on one of gradio's parts: `gv.send({...})`.
_BELL_JS = "(window.gv = window.gv || {}).send = (data) => trigger('select', data);"


def bell() -> gr.HTML:
    """An element without a look that hands what the page's scripts send to its `select` handler."""
    return gr.HTML("", js_on_load=_BELL_JS, elem_id="gv-bell", elem_classes=["gv-bell"])


def html(value: str, **options: Any) -> gr.HTML:
    """HTML under our own style sheet: gradio's text style would override colours and table lines."""
    return gr.HTML(value, apply_default_css=False, **options)
