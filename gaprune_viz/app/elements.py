"""The page's own HTML element."""

from __future__ import annotations

from typing import Any

import gradio as gr


def html(value: str, **options: Any) -> gr.HTML:
    """HTML under our own style sheet: gradio's text style would override colours and table lines."""
    return gr.HTML(value, apply_default_css=False, **options)
