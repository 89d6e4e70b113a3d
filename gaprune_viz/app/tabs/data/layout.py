"""Data: bring triplets of your own, see what they are, and use them as the domain or the general side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.session.view import Shown
from gaprune_viz.app.tabs.data.view import FIELDS, SEVERAL
from gaprune_viz.app.widgets.elements import html
from gaprune_viz.data.readers.by_ending import SUFFIXES
from gaprune_viz.figures.kit import panels

SIDES = {"domain": "Domain", "general": "General data"}


@dataclass(frozen=True)
class SideData:
    """The components of one side; `columns` by what each picks."""

    upload: gr.File
    columns: dict[str, gr.Dropdown]
    use: gr.Button
    report: gr.HTML
    rows: gr.Dataframe

    @property
    def previewed(self) -> list[Any]:
        """What a look at a file changes, beside the pickers."""
        return [self.report, self.rows, self.use]


def build(frame: Frame, shown: Shown) -> dict[str, SideData]:
    """Lay the tab out, one column for each side."""
    gr.Markdown(
        "Bring triplets of your own: a **query**, the **positive** passage that answers it, and one or more "
        "**negative** passages that do not; or pairs, whose negatives the model finds. JSON, JSONL, CSV, TSV, Parquet, "
        "Arrow and Excel can be uploaded, also packed as .gz, .bz2 or .zst, and a BEIR collection as a .zip, up to 256 "
        "MB. In the sidebar you can also name a BEIR folder, a folder that `datasets` saved, "
        "`hub:org/name:config:split`, `ontology:chebi` or `ontology:mondo`. "
        "For the Fisher information of *embeddings*, plain texts will do: a .txt file of one text a line, or a column."
    )
    sides: dict[str, SideData] = {}
    with gr.Row():
        for side, label in SIDES.items():
            with gr.Column(min_width=320):
                upload = gr.File(
                    label=f"{label}: upload triplets",
                    file_types=list(SUFFIXES),
                    elem_id=f"gv-upload-{side}",
                    height=120,
                )
                with gr.Row():
                    columns = {
                        field: gr.Dropdown(
                            [],
                            label=f"Column: {field}",
                            multiselect=field in SEVERAL,
                            visible=False,
                            min_width=150,
                            elem_id=f"gv-{side}-{field}",
                        )
                        for field in FIELDS
                    }
                report = html(
                    panels.empty_state("Nothing uploaded", f"The sidebar says what is used as {label.lower()} now."),
                    elem_id=f"gv-report-{side}",
                )
                rows = gr.Dataframe(
                    interactive=False, visible=False, label="First rows", wrap=True, elem_id=f"gv-rows-{side}"
                )
                use = gr.Button(f"Use as {label.lower()}", interactive=False, elem_id=f"gv-use-{side}")
                sides[side] = SideData(upload, columns, use, report, rows)
    return sides
