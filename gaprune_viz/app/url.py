"""The tuning bar in the address: what differs from the paper, by the names of the flags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from gaprune_viz.app.tuning import FIELDS, settings_from, values_of
from gaprune_viz.app.views import View
from gaprune_viz.config import Settings
from gaprune_viz.figures.metrics import METRICS

LONGEST = 64

# Keeps what is not ours, such as gradio's theme, and adds no entry to the history.
WRITE_JS = """(query) => {
  const old = new URLSearchParams(location.search);
  const next = new URLSearchParams(query);
  const theme = old.get('__theme');
  if (theme) next.set('__theme', theme);
  const text = next.toString();
  history.replaceState(history.state, '', text ? '?' + text : location.pathname);
}"""


def query_of(settings: Settings, view: View) -> str:
    """The address's query for some settings; empty at the paper's."""
    usual = values_of(Settings())
    pairs = [
        (name.replace("_", "-"), value)
        for (_, name), value, default in zip(FIELDS, values_of(settings), usual, strict=True)
        if value != default
    ]
    if view.metric != View().metric:
        pairs.append(("metric", view.metric))
    return urlencode(pairs)


def settings_of(params: Mapping[str, str]) -> Settings | None:
    """The settings that an address asks for; None where it asks for nothing.

    Raises:
        GapruneError: a value is out of bounds.
    """
    values: list[Any] = values_of(Settings())
    asked = False
    for index, (_, name) in enumerate(FIELDS):
        text = params.get(name.replace("_", "-"))
        if text is None:
            continue
        asked = True
        text = text[:LONGEST]
        values[index] = text if isinstance(values[index], str) else _number(text)
    return settings_from(values) if asked else None


def metric_of(params: Mapping[str, str]) -> str | None:
    """The atlas metric that an address asks for, where it is one."""
    name = params.get("metric", "")
    return name if name in METRICS else None


def _number(text: str) -> float | str:
    """The number, or the text itself, which the spec then refuses by the name of its field."""
    try:
        return float(text)
    except ValueError:
        return text
