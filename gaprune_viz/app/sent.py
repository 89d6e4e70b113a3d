"""What a browser may send for a component. Gradio looks at some of it; forged values of other types pass."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from typing import Any

import gradio as gr

from gaprune_viz.errors import GapruneError

_BESIDE = (gr.Request, gr.EventData, gr.Progress)


def check_sent(values: Sequence[Any], inputs: Sequence[Any]) -> None:
    """Refuse values of a type that the component of a page never sends.

    Args:
        values: what a handler is called with: those of its components in their order, and what gradio puts between.
        inputs: the components.

    Raises:
        GapruneError: naming the component.
    """
    sent = [value for value in values if not isinstance(value, _BESIDE)]
    for value, component in zip(sent, inputs, strict=False):
        wanted = _wanted(value, component)
        if wanted:
            name = getattr(component, "label", None) or type(component).__name__
            raise GapruneError(f"{name}: {wanted} is needed (got {reprlib.repr(value)}).", "Reload the page.")


def _wanted(value: Any, component: Any) -> str:
    """What should have come in place of a value; empty where it is right, or nothing is known of it."""
    if value is None:
        return ""
    if isinstance(component, gr.CheckboxGroup) or getattr(component, "multiselect", None):
        whole = isinstance(value, list) and all(isinstance(one, str) for one in value)
        return "" if whole else "a list of texts"
    if isinstance(component, (gr.Dropdown, gr.Radio, gr.Textbox)):
        return "" if isinstance(value, str) else "a text"
    if isinstance(component, (gr.Slider, gr.Number)):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return "" if number else "a number"
    if isinstance(component, gr.Checkbox):
        return "" if isinstance(value, bool) else "yes or no"
    return ""
