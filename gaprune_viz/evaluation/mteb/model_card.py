"""A pruned model and its dense origin on mteb tasks; the results beside the model, in its card and its document."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gaprune_viz.config import STARTER_DOMAINS
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.comparison import PrunedPair
from gaprune_viz.evaluation.mteb.model_versions import Variant, whole
from gaprune_viz.evaluation.mteb.report import DENSE, records
from gaprune_viz.evaluation.mteb.running import Score
from gaprune_viz.pruning.export import RESULT_FILE
from gaprune_viz.storage.json_files import stored_json
from gaprune_viz.storage.workspace import write_whole
from gaprune_viz.versions import versions

CARD_FILE = "README.md"
MEASURED = "measured"
BEGIN, END = "<!-- benchmark -->", "<!-- end of benchmark -->"
NOTHING = "-"


def variants_of(pair: PrunedPair) -> list[Variant]:
    """The two models of a pruned export: dense, pruned."""
    return [whole(DENSE, pair.dense), whole("pruned", pair.pruned)]


def default_tasks(pair: PrunedPair) -> list[str]:
    """The starter collections of an export's own domain and of general knowledge, side by side.

    Raises:
        GapruneError: its domain is no starter collection, so that there is nothing to take by itself.
    """
    domain = pair.document["run"]["calibration"]["domain"]
    if domain not in STARTER_DOMAINS:
        raise GapruneError(
            "No task is chosen, and the model's domain is no starter collection.",
            "Give --tasks; `gaprune-viz benchmark --list` names them.",
        )
    return list(dict.fromkeys([f"starter:{domain}", "starter:general"]))


def measured(scores: Sequence[Score]) -> dict[str, Any]:
    """Scores with the versions that they depend on, ready for JSON."""
    from importlib.metadata import version

    return {"scores": records(scores), "versions": {**versions(), "mteb": version("mteb")}}


def attach(folder: Path, found: Mapping[str, Any]) -> None:
    """Keep measured scores in a pruned export: under `measured` in `gaprune.json`, and as a table in its model card.

    A score of the same task and version is replaced, others stay. Each file is whole at every moment.

    Args:
        folder: a pruned export.
        found: what `measured` gave.

    Raises:
        GapruneError: a file of the export cannot be read or written.
    """
    place = folder / RESULT_FILE
    try:
        document = stored_json(place)
        earlier = document.get(MEASURED, {}).get("scores", [])
        card = (folder / CARD_FILE).read_text(encoding="utf-8") if (folder / CARD_FILE).is_file() else ""
        new = {(row["task"], row["variant"]) for row in found["scores"]}
        kept = [row for row in earlier if (row["task"], row["variant"]) not in new]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise GapruneError(f"{place} is damaged: {error}.", "Prune again.") from error
    document[MEASURED] = {**found, "scores": [*kept, *found["scores"]]}
    write_whole(place, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    write_whole(folder / CARD_FILE, with_section(card, document[MEASURED]))


def with_section(card: str, found: Mapping[str, Any]) -> str:
    """A model card with the table of measured scores: in the place of an earlier one, or at its end."""
    section = f"{BEGIN}\n{card_section(found)}{END}\n"
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}\n?", re.DOTALL)
    if pattern.search(card):
        return pattern.sub(lambda _: section, card, count=1)
    return f"{card.rstrip()}\n\n{section}".lstrip()


def card_section(found: Mapping[str, Any]) -> str:
    """Measured scores as Markdown, one line per task and version, with how they were measured."""
    rows: list[Mapping[str, Any]] = list(found["scores"])
    lines = [
        "## Benchmark",
        "",
        "| task | metric | version | score | to dense | 95 % interval | p |",
        "|---|---|---|---|---|---|---|",
        *(_card_line(row) for row in rows),
        "",
    ]
    for row in {_how(row): row for row in rows}.values():
        lines.append(f"{_how(row)}.")
    lines.append(f"Measured with {', '.join(f'{name} {number}' for name, number in found['versions'].items())}.")
    return "\n".join(lines) + "\n"


def _card_line(row: Mapping[str, Any]) -> str:
    def signed(key: str) -> str:
        value = row.get(key)
        return f"{value:+.4f}" if isinstance(value, float) and math.isfinite(value) else NOTHING

    interval = f"{signed('low')} to {signed('high')}" if "low" in row else NOTHING
    p = f"{row['p_value']:.4f}" if "p_value" in row else NOTHING
    cells = [row["task"], row["metric"], row["variant"], f"{row['score']:.4f}", signed("difference"), interval, p]
    return f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"


def _how(row: Mapping[str, Any]) -> str:
    prompts = ", ".join(
        f"{side} {json.dumps(row[f'{side}_prompt'], ensure_ascii=False) if row[f'{side}_prompt'] else 'none'}"
        for side in ("query", "passage")
    )
    return (
        f"The {row['variant']} model is {row['model']} at {row['revision']}: prompts {prompts}; "
        f"at most {row['max_length']} tokens; {row['dtype']}"
    )
