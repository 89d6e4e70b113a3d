"""What a person sees of an upload before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from gaprune_viz.app.session.store import STORE
from gaprune_viz.config import ModelSpec
from gaprune_viz.data.preview import UploadPreview, inspect_upload
from gaprune_viz.data.schema import PlainText
from gaprune_viz.data.triplets import load_samples
from gaprune_viz.figures.kit import panels
from gaprune_viz.figures.kit.formatting import percent

FIELDS = ("query", "positive", "negative", "text")
SEVERAL = ("negative", "text")
"""Fields that more than one column may hold."""
MEASURED_TEXTS = 1_000
SHOWN_DROPPED = 8


def look(path: str, mapping: dict[str, str] | None) -> UploadPreview:
    """Read an upload and try the likely, or the given, columns on it."""
    return inspect_upload(Path(path), mapping)


def mapping_from(held: Mapping[str, str | list[str] | None]) -> dict[str, str] | None:
    """The mapping that the dropdowns hold, by field; None where none is set."""
    mapping = {field: ",".join(value) if isinstance(value, list) else value for field, value in held.items() if value}
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
        panels.Card(
            "Plain texts" if preview.plain else "Triplets",
            f"{preview.kept:,}",
            f"of {preview.rows:,} rows, {preview.kind}" + ("; for Fisher embedding" if preview.plain else ""),
        ),
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
    samples = load_samples(path, columns=mapping).samples[:MEASURED_TEXTS]
    passages = [sample.text if isinstance(sample, PlainText) else sample.positive for sample in samples]
    return [len(ids) for ids in model.token_ids(passages, "passage")], model.max_length
