"""The page outside a running server, for tests that call its handlers."""

from __future__ import annotations

import gradio as gr
import pytest

from gaprune_viz.app import views
from gaprune_viz.app.page import Page, _compose
from gaprune_viz.config import Settings


@pytest.fixture(scope="module")
def page() -> Page:
    """The page's components, outside a running server."""
    view = views.View()
    with gr.Blocks():
        composed = _compose(views.live(view, Settings()), view)
        return Page(
            view=gr.State(view.model_dump()),
            active=gr.State("atlas"),
            query=gr.Textbox(),
            look=gr.Textbox(),
            goto=gr.HTML(),
            **composed,
        )
