"""Two rankings of one query side by side, dense and pruned: who moved, who came, who left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import pandas as pd

from gaprune_viz.figures.kit.formatting import MISSING, shortened, signed
from gaprune_viz.figures.kit.protocols import RankedPassage, SideBySide
from gaprune_viz.figures.retrieval.measures import SIDES

TITLE_LENGTH = 110


def ranking_html(
    query: str,
    sides: SideBySide,
    mask_only: SideBySide | None = None,
    *,
    k: int = 10,
    note: str = "",
    refitted: bool = False,
    made_for: str = "",
) -> str:
    """Dense and pruned top k side by side; on a phone one below the other. All text is escaped.

    Args:
        sides: dense beside pruned; beside refitted where `mask_only` is given.
        mask_only: dense beside the mask alone, for a refitted model.
        refitted: whether the pruned model is a refitted one; it is where `mask_only` is given.
        made_for: the settings that it was made under, as an address has them; the page marks it where its own are
            others.
        note: what the lists are, where they are not rankings of the whole collection.
    """
    dense, pruned = list(sides.dense)[:k], list(sides.pruned)[:k]
    both = len({p.id for p in dense} & {p.id for p in pruned})
    said = f"{both} of {max(len(dense), len(pruned))} passages are in both lists"
    if not any(p.relevant for p in (*dense, *pruned)):
        said += "; none of them is known to answer the query"
    told = f'<p class="gv-live" role="status">{escape(note)}</p>' if note else ""
    columns = [("dense", dense)]
    if mask_only is not None:
        columns.append(("mask_only", list(mask_only.pruned)[:k]))
    columns.append(("refitted" if refitted or mask_only is not None else "pruned", pruned))
    lists = "".join(_list(side, passages) for side, passages in columns)
    return (
        f'<section class="gv-panel gv-search" data-made-for="{escape(made_for)}">'
        f'<header><p class="gv-asked">{escape(query)}</p><p>{said}</p>{told}'
        f'</header><div class="gv-lists" data-lists="{len(columns)}">{lists}</div></section>'
    )


def ranking_table(sides: SideBySide, *, k: int = 10) -> pd.DataFrame:
    """The table beside `ranking_html`: every passage of either list with both ranks and cosines."""
    seen: dict[str, RankedPassage] = {p.id: p for p in (*list(sides.dense)[:k], *list(sides.pruned)[:k])}
    rows = [
        {
            "Passage": p.title or shortened(p.text, TITLE_LENGTH),
            "Topic": p.topic,
            "Relevant": "yes" if p.relevant else "",
            "Dense rank": p.dense_rank,
            "Pruned rank": p.pruned_rank,
            "Dense cosine": round(p.dense_score, 4),
            "Pruned cosine": round(p.pruned_score, 4),
            "Id": p.id,
        }
        for p in sorted(seen.values(), key=lambda p: (p.dense_rank, p.id))
    ]
    return pd.DataFrame(rows)


def _list(side: str, passages: Sequence[RankedPassage]) -> str:
    items = "".join(_hit(side, passage, len(passages)) for passage in passages)
    body = f"<ol>{items}</ol>" if items else '<p class="gv-sub">No passages.</p>'
    title, color = SIDES[side]
    return f'<section class="gv-list" style="--gv-side:{color}"><h3>{title}</h3>{body}</section>'


def _hit(side: str, passage: RankedPassage, length: int) -> str:
    rank = passage.dense_rank if side == "dense" else passage.pruned_rank
    score = passage.dense_score if side == "dense" else passage.pruned_score
    title = passage.title or shortened(passage.text, TITLE_LENGTH)
    change = ""
    if side != "dense":
        change = f"<small>{signed(passage.pruned_score - passage.dense_score)}</small>"
    tags = '<span class="gv-chip gv-tag-good">✓ relevant</span>' if passage.relevant else ""
    if passage.topic:
        tags += f'<span class="gv-chip">{escape(passage.topic)}</span>'
    relevant = "yes" if passage.relevant else "no"
    below = f'<span class="gv-hit-tags">{tags}</span>' if tags else ""
    return (
        f'<li class="gv-hit" data-relevant="{relevant}">'
        f'<span class="gv-rank"><span class="gv-hidden">rank </span>{rank}</span>'
        f"<details><summary>{escape(title)}</summary><p>{escape(passage.text)}</p></details>"
        f'<span class="gv-hit-side"><span class="gv-cosine"><span class="gv-hidden">cosine </span>'
        f"{_cosine(score)}{change}</span>{_move(side, passage, length)}</span>{below}</li>"
    )


def _move(side: str, passage: RankedPassage, length: int) -> str:
    """Where pruning moved a passage: an arrow, the number of places, and where the other list has it.

    A passage beyond the end of the other list is named so, with its true rank there.
    """
    gained = passage.dense_rank - passage.pruned_rank
    other = passage.pruned_rank if side == "dense" else passage.dense_rank
    to, arrow, word = ("up", "▲", "up") if gained > 0 else ("down", "▼", "down")
    if gained == 0:
        return '<span class="gv-move" data-to="same"><span aria-hidden="true">=</span> same</span>'
    if other > length:
        said = f"out: now {other:,}" if side == "dense" else f"new: was {other:,}"
        return f'<span class="gv-move" data-to="{to}"><span aria-hidden="true">{arrow}</span> {said}</span>'
    places = f"{word} {abs(gained)} place{'' if abs(gained) == 1 else 's'}"
    where = f"now {other:,}" if side == "dense" else f"was {other:,}"
    return (
        f'<span class="gv-move" data-to="{to}"><span aria-hidden="true">{arrow} {abs(gained)}</span>'
        f'<span class="gv-hidden">{places}, {where}</span></span>'
    )


def _cosine(score: float) -> str:
    return f"{score:.3f}".replace("-", "−") if math.isfinite(score) else MISSING
