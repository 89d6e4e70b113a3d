"""From the JSON of `refit_quality.py` to its section of docs/refit.md. Words that judge are computed from numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks._document_parts import table

Found = dict[str, Any]
HEADING = "## What it gives back"
AIMS = {"0.5": (100.0, 100.0), "0.7": (97.0, 93.0)}
"""Percent of dense that is aimed at, domain and general, one-shot and without training."""


def into(document: str, section: str) -> str:
    """A document with this section in the place of the one with its heading, or at the end."""
    place = re.search(rf"^{re.escape(HEADING)}$.*?(?=^## |\Z)", document, flags=re.DOTALL | re.MULTILINE)
    if place is None:
        return document.rstrip() + "\n\n" + section
    rest = document[place.end() :]
    return document[: place.start()] + section + ("\n" + rest if rest else "")


def render(found: Found) -> str:
    """The section."""
    parts = [HEADING, _introduction(found)]
    for sparsity, rows in found["given_back"].items():
        if rows:
            parts += [f"### {_share(sparsity)} pruned", _given_back(found, rows), *_judged(found, sparsity, rows)]
    if found["choices"]:
        parts += ["### Ridge and share of the domain", _rule(found), *_choices(found)]
    return "\n\n".join(parts) + "\n"


def _introduction(found: Found) -> str:
    about = found["conditions"]
    seeds = sorted({seed for rows in found["given_back"].values() for row in rows for seed in row["seeds"]})
    queries = "; ".join(
        f"{source} {' + '.join(str(counts[1]) for counts in sides.values())}"
        for source, sides in about["queries"].items()
    )
    return (
        f"Percent of the dense model's nDCG@10, domain / general, one-shot; {about['model']}, all linear weights, "
        f"texts cut after {about['max_length']} tokens, {about['samples']} + {about['samples']} triplets, "
        f"{seeds_of(seeds)}. Queries, and what answers them, are of topics or classes that "
        "calibration never sees, and of other topics than those on which ridge and share were chosen. "
        "The criterion `robust` and its constants were chosen on these very queries ([robust.md](robust.md)): "
        "its rows flatter it. Test queries: "
        f"{queries}. In brackets what the refit adds to its mask on the same queries, with the 95 % interval of a "
        "paired bootstrap over groups of queries with one answer; `sparsegpt` moves the weights that stay as it "
        "chooses, and its refit is over its mask in place of that. Made by `benchmarks/refit_quality.py --write`."
    )


def seeds_of(seeds: Sequence[int]) -> str:
    """Which calibration seeds a number is of."""
    return f"the mean over calibration seeds {_list(seeds)}" if len(seeds) > 1 else f"calibration seed {seeds[0]}"


def _given_back(found: Found, rows: Sequence[Found]) -> str:
    names = list(dict.fromkeys(row["source"] for row in rows))
    cells = {(row["row"], row["refit"], row["source"]): row for row in rows}
    lines = []
    for name, refit in dict.fromkeys((row["row"], row["refit"]) for row in rows):
        own = [cells.get((name, refit, source)) for source in names]
        seeds = {len(row["seeds"]) for row in own if row}
        lines.append((f"`{name}`, {refit}", _list(sorted(seeds)), *(_cell(found, row) if row else "" for row in own)))
    return table(("settings", "seeds", *names), lines)


def _cell(found: Found, row: Found) -> str:
    parts = []
    for side in found["sides"]:
        told = row["sides"][side]
        text = f"{told['of_dense'][0]:.1f}"
        if "gain" in told:
            gain, low, high = told["gain"]
            text += f" ({gain:+.1f} [{low:+.1f}, {high:+.1f}])"
        parts.append(text)
    return " / ".join(parts)


def _judged(found: Found, sparsity: str, rows: Sequence[Found]) -> Iterator[str]:
    """Where the aim was missed, where a refit hurts, and how far seeds lie apart."""
    refitted = [row for row in rows if any("gain" in told for told in row["sides"].values())]
    aims = AIMS.get(sparsity)
    chosen = [row for row in refitted if row["row"] == found["conditions"]["chosen_on"]]
    if aims is not None and chosen:
        missed = [
            f"{row['source']}, {side} ({row['refit']}: {row['sides'][side]['of_dense'][0]:.1f}, at most "
            f"{row['sides'][side]['of_dense'][2]:.1f})"
            for row in chosen
            for side, aim in zip(found["sides"], aims, strict=True)
            if row["sides"][side]["of_dense"][2] < aim
        ]
        wanted = " / ".join(f"{aim:g}" for aim in aims)
        yield f"Aimed at: {wanted} within the 95 % interval. " + (
            f"Missed on {'; '.join(missed)}." if missed else f"Reached by `{chosen[0]['row']}` on every source."
        )
    worse = [
        f"`{row['row']}`, {row['refit']}, on {row['source']}, {side}"
        for row in refitted
        for side in found["sides"]
        if row["sides"][side]["gain"][2] < 0
    ]
    yield f"Clearly worse than the mask alone: {'; '.join(worse) if worse else 'nowhere'}."
    if max(len(row["seeds"]) for row in rows) < 2:
        yield "One seed of calibration: how far seeds lie apart was not measured."
        return
    spread = max(
        max(told["gain_by_seed"]) - min(told["gain_by_seed"]) for row in refitted for told in row["sides"].values()
    )
    yield f"What a refit adds lies at most {spread:.1f} points apart between seeds of one cell."


def _rule(found: Found) -> str:
    about = found["conditions"]
    told = (
        f"`{about['chosen_on']}`, calibration seed {about['choosing_seed']}: first the ridge at equal shares, then "
        "the share at that ridge. Chosen by the smaller side's mean over sources on the *validation* queries; the "
        "columns of *test* queries had no part in it."
    )
    best = found["for_all"]
    if best is not None:
        told += f" One pair for all sparsities would be ridge {best['ridge']:g}, share {best['share']:g}."
    return told


def _choices(found: Found) -> Iterator[str]:
    heads = [f"{half}, {side}" for half in ("validation", "test") for side in found["sides"]]
    for sparsity, choice in found["choices"].items():
        lines = []
        for row in choice["tried"]:
            best = (row["ridge"], row["share"]) == (choice["ridge"], choice["share"])
            place = [f"**{row[key]:g}**" if best else f"{row[key]:g}" for key in ("ridge", "share")]
            numbers = [row[half][side] for half in ("validation", "test") for side in found["sides"]]
            lines.append((*place, *(f"{value:.1f}" for value in numbers)))
        yield f"At {_share(sparsity)}:"
        yield table(("ridge", "share", *heads), lines)


def _share(sparsity: str) -> str:
    return f"{100 * float(sparsity):g} %"


def _list(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values))
