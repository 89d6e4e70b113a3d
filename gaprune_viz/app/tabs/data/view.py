"""What a person sees of an upload before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from gaprune_viz.app.session.store import STORE
from gaprune_viz.config import ModelSpec
from gaprune_viz.data.data_check import DataReport, TextPair, check_data, texts_of
from gaprune_viz.data.preview import UploadPreview, inspect_upload
from gaprune_viz.errors import GapruneError
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


def report_html(
    preview: UploadPreview, lengths: list[int] | None, longest: int, checked: DataReport | None = None
) -> str:
    """Counts, lengths, scripts, what a task shares with them, what was dropped and why; or what stands in the way."""
    if preview.problem:
        return panels.error_card(f"{preview.name} cannot be used as it is.", preview.problem)
    cards = [
        panels.Card(
            _what(preview),
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
    cards += _cards_of(checked) if checked is not None else []
    lines = "".join(panels.notice(line) for line in (*preview.remarks, *preview.dropped[:SHOWN_DROPPED]))
    more = len(preview.dropped) - SHOWN_DROPPED
    return panels.stat_cards(cards) + lines + (panels.notice(f"and {more} more") if more > 0 else "")


def _what(preview: UploadPreview) -> str:
    if preview.kind == "BEIR":
        return "Judged queries"
    return "Plain texts" if preview.plain else "Pairs" if preview.pairs else "Triplets"


def _cards_of(checked: DataReport) -> list[panels.Card]:
    """What `gaprune-viz check` says beside the counts."""
    scripts = ", ".join(f"{name} {percent(share)}" for name, share in list(checked.scripts.items())[:3])
    cards = [panels.Card("Scripts", str(len(checked.scripts)), scripts or "no letters")]
    if checked.kind == "triplets" and checked.different_queries < checked.kept:
        note = "triplets of one query are no independent samples"
        cards.append(panels.Card("Different queries", f"{checked.different_queries:,}", note))
    if checked.identical_ids is not None and checked.identical_ids.shared:
        done = "is left out of what they find" if checked.identical_ids.left_out else "is ranked like any other"
        note = f"have the id of a passage, which {done}"
        cards.append(panels.Card("Queries", f"{checked.identical_ids.shared:,}", note))
    for found in checked.leakage:
        shared = found.queries + found.passages
        note = f"{found.queries:,} queries and {found.passages:,} passages"
        cards.append(panels.Card(f"Shared with {found.task}", f"{shared:,}", note, "warn" if shared else "good"))
    return cards


def checked_data(path: str, mapping: dict[str, str] | None, task: str | None) -> DataReport:
    """What `gaprune-viz check` says of an upload, against the collection that is searched.

    Raises:
        GapruneError: it cannot be used.
    """
    against: dict[str, TextPair] = {}
    try:
        if task:
            found = STORE.task(task)
            texts = [passage.embedding_text for passage in found.corpus]
            against[found.name] = (list(found.queries.values()), texts)
    except GapruneError:
        # What is wrong with that collection is said where it is chosen.
        against = {}
    return check_data(path, columns=mapping, against=against)


def passage_lengths(path: str, mapping: dict[str, str] | None, spec: ModelSpec) -> tuple[list[int], int]:
    """Tokens of the first passages under a model, and its longest text."""
    model = STORE.outline(spec)
    passages = list(texts_of(path, columns=mapping)[1])[:MEASURED_TEXTS]
    return [len(ids) for ids in model.token_ids(passages, "passage")], model.max_length
