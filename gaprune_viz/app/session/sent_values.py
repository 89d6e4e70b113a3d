"""What a browser may send for a component. Gradio looks at some of it; forged values of other types pass."""

from __future__ import annotations

import reprlib
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any

import gradio as gr
from gradio.blocks import Block

from gaprune_viz.errors import GapruneError

LONGEST_MESSAGE = 300
_FORGED = "A value of this request is none that the page sends. Reload the page."
# What gradio's reading of a forged value ends with.
_UNREADABLE = (
    AttributeError,
    LookupError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)
_BESIDE = (gr.Request, gr.EventData, gr.Progress)


def check_sent(values: Sequence[Any], inputs: Sequence[Any]) -> None:
    """Refuse values of a type that the component of a page never sends.

    Args:
        values: what a handler is called with: those of its components, by component or in their order, and what gradio
            puts between.
        inputs: the components.

    Raises:
        GapruneError: naming the component.
    """
    for component, value in _by_component(values, inputs):
        wanted = _wanted(value, component)
        if wanted:
            name = getattr(component, "label", None) or type(component).__name__
            raise GapruneError(f"{name}: {wanted} is needed (got {reprlib.repr(value)}).", "Reload the page.")


def _by_component(values: Sequence[Any], inputs: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    sent = [value for value in values if not isinstance(value, _BESIDE)]
    # The defaults of a handler's other parameters come behind.
    if sent and isinstance(sent[0], dict) and all(isinstance(key, Block) for key in sent[0]):
        return sent[0].items()
    return zip(inputs, sent, strict=False)


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


class CheckedBlocks(gr.Blocks):
    """A page that answers a request which it never sends itself with one line, whatever gradio says of it.

    Gradio names the types, the handler and what was sent, as HTML, or nothing at all where errors are not shown.
    """

    async def preprocess_data(
        self, block_fn: Any, inputs: list[Any], state: Any, explicit_call: bool = False
    ) -> list[Any]:
        try:
            if _has_address(inputs):
                raise _forged()
            return await super().preprocess_data(block_fn, inputs, state, explicit_call)
        except gr.Error as error:
            raise gr.Error(escape(one_line(error.message), quote=False), print_exception=False) from error
        except _UNREADABLE as error:
            raise _forged() from error

    async def process_api(
        self, block_fn: Any, inputs: list[Any], *rest: Any, event_data: gr.EventData | None = None, **named: Any
    ) -> dict[str, Any]:
        # An answer that repeats half a character cannot be sent, and whoever asked would wait for it.
        if not _is_utf8([inputs, getattr(event_data, "_data", None)]):
            raise _forged()
        return await super().process_api(block_fn, inputs, *rest, event_data=event_data, **named)


def _forged() -> gr.Error:
    return gr.Error(_FORGED, print_exception=False)


def one_line(text: str) -> str:
    """A message in one line of a readable length."""
    return textwrap.shorten(text, LONGEST_MESSAGE, placeholder=" ...")


def _has_address(values: Any) -> bool:
    """Whether a value among these is a file by its address: gradio would fetch it for whoever asks."""
    files = (str(value.get("path", "")).lower() for value in _all(values) if isinstance(value, dict))
    return any(path.startswith(("http://", "https://")) for path in files)


def _is_utf8(values: Any) -> bool:
    """Whether all texts among these are, the names in objects too."""
    try:
        for value in _all(values):
            for text in (value,) if isinstance(value, str) else value if isinstance(value, dict) else ():
                str(text).encode()
    except UnicodeEncodeError:
        return False
    return True


def _all(values: Any) -> Iterator[Any]:
    """These values, and what they hold, however deep."""
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        yield value
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, (list, tuple)):
            waiting += value
