"""What the Data tab does: look at an upload, map its columns, use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from gaprune_viz.app.access import visitor
from gaprune_viz.app.sidebar import STARTER_CHOICES
from gaprune_viz.app.tabs.data import (
    FIELDS,
    first_rows,
    look,
    mapping_from,
    mapping_text,
    passage_lengths,
    report_html,
)
from gaprune_viz.config import ModelSpec
from gaprune_viz.data.preview import UploadPreview
from gaprune_viz.errors import GapruneError
from gaprune_viz.figures import panels
from gaprune_viz.workspace import keep_upload


def on_upload(path: str | None, model: str) -> list[Any]:
    """Show a new file: its columns with the likely mapping, counts, first rows."""
    if not path:
        return on_clear()
    try:
        preview = look(path, None)
        visitor().access.check_rows(preview.rows)
        return [*_pickers(preview), *_report(path, preview, model)]
    except GapruneError as error:
        return [*_hidden(), panels.error_card(error.message, error.hint), gr.update(visible=False), _button(False)]


def on_clear() -> list[Any]:
    """The file was taken away."""
    empty = panels.empty_state("Nothing uploaded", "The sidebar says what is used now.")
    return [*_hidden(), empty, gr.update(visible=False), _button(False)]


def on_columns(path: str | None, model: str, *values: Any) -> list[Any]:
    """Another mapping of the same file."""
    if not path:
        return [gr.skip()] * 3
    try:
        return _report(path, look(path, mapping_from(values)), model)
    except GapruneError as error:
        return [panels.error_card(error.message, error.hint), gr.skip(), _button(False)]


def on_use(path: str | None, *values: Any) -> list[Any]:
    """Put the file and its columns into the sidebar."""
    if not path:
        return [gr.skip()] * 3
    mapping = mapping_from(values)
    try:
        visitor().access.check_rows(look(path, mapping).rows)
        source = keep_upload(Path(path))
    except GapruneError as error:
        return [gr.skip(), gr.skip(), panels.error_card(error.message, error.hint)]
    visitor().own(source)
    name = source.rpartition("/")[2]
    said = panels.notice(f"{name} is in the sidebar now. Press Run there.")
    choices = [*STARTER_CHOICES, (name, source)]
    return [gr.update(choices=choices, value=source), mapping_text(mapping) if mapping else "", said]


def _report(path: str, preview: UploadPreview, model: str) -> list[Any]:
    lengths, longest = None, 0
    if not preview.problem:
        spec = ModelSpec.parse({"model": model} if model else {})
        lengths, longest = passage_lengths(path, preview.mapping or None, spec)
    table = gr.update(value=first_rows(preview), visible=True)
    return [report_html(preview, lengths, longest), table, _button(not preview.problem)]


def _pickers(preview: UploadPreview) -> list[Any]:
    """The column pickers, filled with what is likely."""
    updates = []
    for field in FIELDS:
        chosen: Any = preview.mapping.get(field)
        if field == "negative":
            chosen = chosen.split(",") if chosen else []
        updates.append(gr.update(choices=list(preview.columns), value=chosen, visible=True))
    return updates


def _hidden() -> list[Any]:
    return [gr.update(visible=False, choices=[], value=[] if field == "negative" else None) for field in FIELDS]


def _button(usable: bool) -> Any:
    return gr.update(interactive=usable, variant="primary" if usable else "secondary")
