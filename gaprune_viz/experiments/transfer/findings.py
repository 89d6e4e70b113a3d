"""What a transfer map says, in plain sentences made from its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gaprune_viz.figures.kit.formatting import p_value, signed

Document = Mapping[str, Any]
Map = Mapping[str, Any]
NOTHING = "nothing that can be told from 0"
LEVEL = 0.05
"""Share of intervals that miss what they are about."""


def maps_of(document: Document, row: str, *, refit: bool = False, shuffled: bool = False) -> list[Map]:
    """The maps of a row, by sparsity."""
    wanted = (row, refit, shuffled)
    found = [one for one in document["maps"] if (one["row"], one["refit"], one["shuffled"]) == wanted]
    return sorted(found, key=lambda one: one["sparsity"])


def map_at(document: Document, row: str, sparsity: float, *, refit: bool = False, shuffled: bool = False) -> Map | None:
    """One map; None where there is none."""
    found = maps_of(document, row, refit=refit, shuffled=shuffled)
    return next((one for one in found if one["sparsity"] == sparsity), None)


def rows_of(document: Document) -> list[str]:
    """The rows, in the order in which they were asked for."""
    return list(dict.fromkeys(one["row"] for one in document["maps"]))


def has_refit(document: Document, *, shuffled: bool = False) -> bool:
    """Whether refitted masks were measured, too; or those of the control."""
    return any(one["refit"] and one["shuffled"] == shuffled for one in document["maps"])


def is_clear(gain: Mapping[str, Any]) -> bool:
    """Whether the 95 % interval of an advantage leaves 0 out."""
    return None not in (gain["low"], gain["high"]) and not gain["low"] <= 0 <= gain["high"]


def reads_no_texts(maps: Sequence[Map]) -> bool:
    """Whether all masks are the same whatever they were calibrated on, and the scores with them."""
    same = all(pair["jaccard"] == 1 for one in maps for pair in one["shared"])
    return same and all(one["advantage"]["points"] == 0 for one in maps)


def verdict(document: Document, row: str, *, refit: bool = False, shuffled: bool = False) -> str:
    """The plain sentence of a row: at which sparsity calibrating on the domain gains what."""
    maps = maps_of(document, row, refit=refit, shuffled=shuffled)
    if reads_no_texts(maps):
        return f"`{row}` chooses the same weights whatever it is calibrated on: there is nothing to gain."
    what = "Calibrating on shuffled texts" if shuffled else "Calibrating on the domain"
    head = f"{what} {_with(row, refit)}"
    clear = [one for one in maps if is_clear(one["advantage"])]
    unclear = [one for one in maps if not is_clear(one["advantage"])]
    parts = [f"{_verb(one)} {_points(one['advantage'])} at {_percent(one)}" for one in clear]
    if unclear:
        words = "gains " if not clear else ""
        parts.append(f"{words}{NOTHING} at {_listed(_percent(one) + _bracket(one['advantage']) for one in unclear)}")
    return f"{head} {'; '.join(parts)}."


def _with(row: str, refit: bool) -> str:
    return f"with `{row}`{' and a refit' if refit else ''}"


def _verb(one: Map) -> str:
    return "gains" if one["advantage"]["points"] > 0 else "loses"


def _percent(one: Map) -> str:
    return f"{100 * one['sparsity']:g} %"


def _listed(parts: Any) -> str:
    told = list(parts)
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"


def _points(gain: Mapping[str, Any]) -> str:
    return f"{signed(gain['points'], 1)} points (95 % {interval(gain)}, p {p_value(gain['p'])})"


def _bracket(gain: Mapping[str, Any]) -> str:
    return f" ({signed(gain['points'], 1)}, 95 % {interval(gain)})"


def interval(gain: Mapping[str, Any]) -> str:
    """`+0.4 to +3.1`; a dash where there is none."""
    if gain["low"] is None or gain["high"] is None:
        return "–"
    return f"{signed(gain['low'], 1)} to {signed(gain['high'], 1)}"


def pairing_words(advantage: Mapping[str, Any]) -> str:
    """How many ways to pair calibrations with tasks reach as much."""
    return (
        f"Of the {advantage['pairings']:,} ways to pair calibrations with tasks, {advantage['reached']:,} "
        f"{'reaches' if advantage['reached'] == 1 else 'reach'} as much, the true one among them."
    )


def by_chance(sparsity: float) -> float:
    """Jaccard index of what two unrelated masks of a sparsity prune."""
    return sparsity / (2 - sparsity)


def mean_shared(one: Map) -> float:
    """Mean Jaccard index over all pairs of sources."""
    return sum(pair["jaccard"] for pair in one["shared"]) / len(one["shared"])


def overlap_sentence(document: Document, row: str, sparsity: float) -> str:
    """How much masks of different sources have in common, beside what shuffled texts and chance give."""
    one = map_at(document, row, sparsity)
    if one is None:
        return ""
    control = map_at(document, row, sparsity, shuffled=True)
    beside = "" if control is None else f"; where texts are shuffled, {100 * mean_shared(control):.1f} %"
    return (
        f"At {_percent(one)}, two masks of `{row}` that were calibrated on different sources share "
        f"{100 * mean_shared(one):.1f} % of what they prune{beside}; unrelated masks would share "
        f"{100 * by_chance(sparsity):.1f} %."
    )


def control_sentence(document: Document) -> str:
    """What the control says of the whole map; empty where there is none."""
    control = [one for one in document["maps"] if one["shuffled"]]
    moved = [one for one in control if not reads_no_texts([one])]
    if not moved:
        return ""
    clear = sum(is_clear(one["advantage"]) for one in moved)
    mean = sum(one["advantage"]["points"] for one in moved) / len(moved)
    what = "the same texts shuffled between the sources"
    if has_refit(document) and not has_refit(document, shuffled=True):
        what += ", masks alone"
    if len(document["seeds"]) > len(control[0]["advantage"]["apart"]):
        what += ", one draw of them"
    return (
        f"Control, {what}: {clear} of {len(moved)} intervals leave 0 out, and the "
        f"mean is {signed(mean, 1)} points. Without any advantage about {LEVEL * len(moved):.1f} would."
    )


def count_sentence(document: Document) -> str:
    """How many of all intervals leave 0 out, and how many would by chance."""
    real = [one for one in document["maps"] if not one["shuffled"] and not reads_no_texts([one])]
    if not real:
        return ""
    clear = [one for one in real if is_clear(one["advantage"])]
    gains = sum(one["advantage"]["points"] > 0 for one in clear)
    kinds = f", {gains} of them {'a gain' if gains == 1 else 'gains'}" if clear else ""
    return (
        f"{len(clear)} of {len(real)} advantages can be told from 0{kinds}; without any advantage about "
        f"{LEVEL * len(real):.1f} would be all the same."
    )


def draw_sentence(document: Document) -> str:
    """How far the advantage depends on which calibration texts were drawn, which the intervals do not say."""
    draws = len(document["seeds"])
    if draws == 1:
        return "The calibration texts were drawn once: the intervals are about the queries, and not about the draw."
    apart = [one["advantage"]["apart"] for one in document["maps"] if not one["shuffled"] and not reads_no_texts([one])]
    if not apart:
        return ""
    agree = sum(min(points) > 0 or max(points) < 0 for points in apart)
    widest = max(max(points) - min(points) for points in apart)
    return (
        f"The calibration texts were drawn {draws} times: in {agree} of {len(apart)} maps all draws agree whether "
        f"calibrating on the domain gains, and at most they lie {widest:.1f} points apart."
    )


def kept_sentence(document: Document, row: str, sparsity: float) -> str:
    """What a row keeps of dense on the calibrated source and on the others, and what a refit makes of it."""
    own, others = _kept(map_at(document, row, sparsity))
    told = f"At {100 * sparsity:g} %, `{row}` keeps {own:.1f} % of dense on the source that it is calibrated on"
    told += f" and {others:.1f} % on the others"
    if has_refit(document):
        own, others = _kept(map_at(document, row, sparsity, refit=True))
        told += f"; refitted on it, {own:.1f} % and {others:.1f} %"
    return f"{told}."


def _kept(one: Map | None) -> tuple[float, float]:
    """Percent of dense, the mean over sources: calibrated on themselves, and on another one."""
    assert one is not None
    scores = [[score["of_dense"] for score in row] for row in one["scores"]]
    own = [row[i] for i, row in enumerate(scores)]
    others = [value for i, row in enumerate(scores) for j, value in enumerate(row) if i != j]
    return sum(own) / len(own), sum(others) / len(others)


def findings(document: Document) -> list[str]:
    """Everything that a map says, one sentence a row, then the counts, the control, and what is kept."""
    refits = (False, True) if has_refit(document) else (False,)
    told = [verdict(document, row, refit=refit) for refit in refits for row in rows_of(document)]
    told += [count_sentence(document), control_sentence(document), draw_sentence(document)]
    top = max(one["sparsity"] for one in document["maps"])
    told += [kept_sentence(document, row, top) for row in rows_of(document)]
    told += [
        overlap_sentence(document, row, top) for row in rows_of(document) if not reads_no_texts(maps_of(document, row))
    ]
    return [sentence for sentence in told if sentence]
