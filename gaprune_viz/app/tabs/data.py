"""Data: bring triplets of your own, see what they are, and use them as the domain or the general side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gradio as gr
import pandas as pd

from gaprune_viz.app.elements import html
from gaprune_viz.app.store import STORE
from gaprune_viz.config import ModelSpec
from gaprune_viz.data.preview import UploadPreview, inspect_upload
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.figures import panels
from gaprune_viz.figures.formatting import percent

FORMATS = [".json", ".jsonl", ".csv", ".tsv", ".parquet"]
SIDES = {"domain": "Domain", "general": "General data"}
MEASURED_TEXTS = 1_000
SHOWN_DROPPED = 8
FIELDS = ("query", "positive", "negative")


@dataclass(frozen=True)
class SideData:
    """The components of one side."""

    upload: gr.File
    columns: tuple[gr.Dropdown, ...]
    use: gr.Button
    report: gr.HTML
    rows: gr.Dataframe


def build_data() -> dict[str, SideData]:
    """Lay the tab out, one column for each side."""
    gr.Markdown(
        "Bring triplets of your own: a **query**, the **positive** passage that answers it, and one or more "
        "**negative** passages that do not. JSON, JSONL, CSV, TSV and Parquet can be uploaded, up to 256 MB. In the "
        "sidebar you can also name a BEIR folder, `hub:org/name:config:split`, `ontology:chebi` or `ontology:mondo`."
    )
    sides: dict[str, SideData] = {}
    with gr.Row():
        for side, label in SIDES.items():
            with gr.Column(min_width=320):
                upload = gr.File(
                    label=f"{label}: upload triplets", file_types=FORMATS, elem_id=f"gv-upload-{side}", height=120
                )
                with gr.Row():
                    columns = tuple(
                        gr.Dropdown(
                            [],
                            label=f"Column: {field}",
                            multiselect=field == "negative",
                            visible=False,
                            min_width=150,
                            elem_id=f"gv-{side}-{field}",
                        )
                        for field in FIELDS
                    )
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


def look(path: str, mapping: dict[str, str] | None) -> UploadPreview:
    """Read an upload and try the likely, or the given, columns on it."""
    return inspect_upload(Path(path), mapping)


def mapping_from(values: tuple[str | list[str] | None, ...]) -> dict[str, str] | None:
    """The mapping that the three dropdowns hold; None where none is set."""
    mapping = {
        field: ",".join(value) if isinstance(value, list) else value
        for field, value in zip(FIELDS, values, strict=True)
        if value
    }
    return mapping or None


def mapping_text(mapping: dict[str, str]) -> str:
    """A mapping as the spec writes it: `query=a,negative=b,negative=c`."""
    return ",".join(f"{field}={column}" for field, columns in mapping.items() for column in columns.split(","))


def first_rows(preview: UploadPreview) -> pd.DataFrame:
    """The first rows as a table."""
    return pd.DataFrame(list(preview.table), columns=list(preview.columns))


def report_html(preview: UploadPreview, lengths: list[int] | None, longest: int) -> str:
    """Counts, token lengths, what was dropped and why; or what stands in the way."""
    if preview.problem:
        return panels.error_card(f"{preview.name} cannot be used as it is.", preview.problem)
    cards = [
        panels.Card("Triplets", f"{preview.kept:,}", f"of {preview.rows:,} rows, {preview.kind}"),
        panels.Card("Duplicates", f"{preview.duplicates:,}", "left out"),
        panels.Card(
            "Dropped", f"{len(preview.dropped) - min(preview.duplicates, len(preview.dropped)):,}", "see below"
        ),
    ]
    if lengths:
        tokens = pd.Series(lengths)
        cut = float((tokens >= longest).mean())
        cards.append(
            panels.Card(
                "Tokens of a passage",
                f"{tokens.median():.0f}",
                f"median; 95 % have at most {tokens.quantile(0.95):.0f}; {percent(cut)} are cut at {longest}",
            )
        )
    lines = "".join(panels.notice(line) for line in preview.dropped[:SHOWN_DROPPED])
    more = len(preview.dropped) - SHOWN_DROPPED
    return panels.stat_cards(cards) + lines + (panels.notice(f"and {more} more") if more > 0 else "")


def passage_lengths(path: str, mapping: dict[str, str] | None, spec: ModelSpec) -> tuple[list[int], int]:
    """Tokens of the first passages under a model, and its longest text."""
    model = STORE.model(spec)
    triplets = load_triplets(path, columns=mapping).triplets[:MEASURED_TEXTS]
    return [len(ids) for ids in model.token_ids([t.positive for t in triplets], "passage")], model.max_length
