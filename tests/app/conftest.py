"""The page outside a running server, for tests that call its handlers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import unescape
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from gaprune_viz.app.page import Page, compose
from gaprune_viz.app.session.view import View
from gaprune_viz.config import Settings

Held = Callable[..., dict[Any, Any]]
"""`held(view=..., settings=..., active=..., others={component: value})`: what a page holds, by component."""


def plain(html: str) -> str:
    """The words of some HTML."""
    return unescape(re.sub(r"<[^>]+>", " ", html))


@pytest.fixture(scope="module")
def page() -> Page:
    """The page's components, outside a running server."""
    with gr.Blocks():
        return compose()


@pytest.fixture(scope="module")
def held(page: Page) -> Held:
    """Values as a handler gets them: those of a fresh page, but for what a test gives."""
    demo = page.tab_box.parent
    while demo is not None and not isinstance(demo, gr.Blocks):
        demo = demo.parent
    assert isinstance(demo, gr.Blocks)
    fresh = {block: getattr(block, "value", None) for block in demo.blocks.values()}

    def values(
        view: View | None = None,
        settings: Settings | None = None,
        active: str | None = None,
        others: dict[Any, Any] | None = None,
    ) -> dict[Any, Any]:
        changed: dict[Any, Any] = {} if view is None else {page.frame.view: view.model_dump()}
        changed |= {} if settings is None else page.frame.tuning.set(settings)
        changed |= {} if active is None else {page.frame.active: active}
        return {**fresh, **changed, **(others or {})}

    return values


def event(**data: object) -> Any:
    """A click on a part of the page, as gradio hands it over."""
    return SimpleNamespace(_data=data, index=data.get("index"))


def told(steps: Any, place: Any) -> list[str]:
    """What was shown at a place, in words."""
    return [plain(step[place]) for step in steps if place in step]


def merged(steps: Iterator[dict[Any, Any]]) -> dict[Any, Any]:
    """What a handler leaves at every place when it has ended."""
    found: dict[Any, Any] = {}
    for step in steps:
        found.update(step)
    return found


def quiet(*_: object) -> None:
    """For whoever does not want to know."""
