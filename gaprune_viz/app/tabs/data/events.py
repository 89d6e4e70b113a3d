"""What the Data tab does: look at an upload, map its columns, use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.tab import Wiring
from gaprune_viz.app.session.access import visitor
from gaprune_viz.app.sidebar import STARTER_CHOICES
from gaprune_viz.app.tabs.data.layout import SideData
from gaprune_viz.app.tabs.data.view import (
    FIELDS,
    SEVERAL,
    checked_data,
    first_rows,
    look,
    mapping_from,
    mapping_text,
    passage_lengths,
    report_html,
)
from gaprune_viz.app.widgets.events import Changes, Values, listener
from gaprune_viz.config import ModelSpec
from gaprune_viz.data.preview import UploadPreview
from gaprune_viz.errors import GapruneError
from gaprune_viz.figures.kit import panels
from gaprune_viz.storage.workspace import keep_upload


def wire(sides: dict[str, SideData], page: Wiring) -> None:
    """Connect both sides."""
    for side, tab in sides.items():
        _wire_side(side, tab, page.frame)


def _wire_side(side: str, tab: SideData, frame: Frame) -> None:
    events = SideEvents(tab, frame, side)
    columns = list(tab.columns.values())
    model = frame.sidebar.controls["model"]
    seen = [*columns, *tab.previewed]
    looked_at = [tab.upload, model, frame.collection]
    tab.upload.upload(**listener(events.upload, looked_at, seen))
    tab.upload.clear(**listener(events.clear, (), seen))
    mapping = listener(events.map_columns, [*looked_at, *columns], tab.previewed)
    gr.on([column.input for column in columns], **mapping)
    tab.use.click(**listener(events.use, [tab.upload, *columns], [*frame.sidebar.source(side), tab.report]))


class SideEvents:
    """The handlers of one side of one page."""

    def __init__(self, tab: SideData, frame: Frame, side: str) -> None:
        self.tab, self.frame, self.side = tab, frame, side

    def upload(self, values: Values) -> Changes:
        """Show a new file: its columns with the likely mapping, counts, first rows."""
        path = values[self.tab.upload]
        if not path:
            return self.clear()
        try:
            preview = look(path, None)
            check_size(preview)
            return {**self._pickers(preview), **self._report(path, preview, values)}
        except GapruneError as error:
            hidden = {**self._hidden(), self.tab.rows: gr.update(visible=False), self.tab.use: _button(False)}
            return {**hidden, self.tab.report: panels.error_card(error.message, error.hint)}

    def clear(self) -> Changes:
        """The file was taken away."""
        empty = panels.empty_state("Nothing uploaded", "The sidebar says what is used now.")
        tab = self.tab
        return {**self._hidden(), tab.report: empty, tab.rows: gr.update(visible=False), tab.use: _button(False)}

    def map_columns(self, values: Values) -> Changes:
        """Another mapping of the same file."""
        path = values[self.tab.upload]
        if not path:
            return {}
        try:
            return self._report(path, look(path, self._mapping(values)), values)
        except GapruneError as error:
            return {self.tab.report: panels.error_card(error.message, error.hint), self.tab.use: _button(False)}

    def use(self, values: Values) -> Changes:
        """Put the file and its columns into the sidebar."""
        path = values[self.tab.upload]
        if not path:
            return {}
        mapping = self._mapping(values)
        try:
            check_size(look(path, mapping))
            upload = keep_upload(Path(path))
        except GapruneError as error:
            return {self.tab.report: panels.error_card(error.message, error.hint)}
        visitor().own(upload)
        name = upload.rpartition("/")[2]
        source, columns = self.frame.sidebar.source(self.side)
        return {
            source: gr.update(choices=[*STARTER_CHOICES, (name, upload)], value=upload),
            columns: mapping_text(mapping) if mapping else "",
            self.tab.report: panels.notice(f"{name} is in the sidebar now. Press Run there."),
        }

    def _mapping(self, values: Values) -> dict[str, str] | None:
        return mapping_from({field: values[column] for field, column in self.tab.columns.items()})

    def _report(self, path: str, preview: UploadPreview, values: Values) -> Changes:
        lengths, longest, checked = None, 0, None
        if not preview.problem:
            model = values[self.frame.sidebar.controls["model"]]
            spec = ModelSpec.parse({"model": model} if model else {})
            lengths, longest = passage_lengths(path, preview.mapping or None, spec)
            checked = checked_data(path, preview.mapping or None, values.get(self.frame.collection))
        return {
            self.tab.report: report_html(preview, lengths, longest, checked),
            self.tab.rows: gr.update(value=first_rows(preview), visible=True),
            self.tab.use: _button(not preview.problem),
        }

    def _pickers(self, preview: UploadPreview) -> Changes:
        """The column pickers, filled with what is likely."""
        changes: Changes = {}
        for field in FIELDS:
            chosen: Any = preview.mapping.get(field)
            if field in SEVERAL:
                chosen = chosen.split(",") if chosen else []
            changes[self.tab.columns[field]] = gr.update(choices=list(preview.columns), value=chosen, visible=True)
        return changes

    def _hidden(self) -> Changes:
        return {
            column: gr.update(visible=False, choices=[], value=[] if field in SEVERAL else None)
            for field, column in self.tab.columns.items()
        }


def check_size(preview: UploadPreview) -> None:
    """Refuse an upload with more rows, or more passages to embed, than this server takes from strangers.

    Raises:
        GapruneError: so.
    """
    visitor().access.check_rows(max(preview.rows, preview.passages))


def _button(usable: bool) -> Any:
    return gr.update(interactive=usable, variant="primary" if usable else "secondary")
