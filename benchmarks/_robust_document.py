"""From the JSON of `robust.py` to docs/robust.md. Every word that judges is computed from the numbers."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks._document_parts import table

Found = dict[str, Any]
SIDES = ("domain", "general")


def render(found: Found) -> str:
    """The whole document."""
    parts = [INTRODUCTION, *_conditions(found), *_sources(found), *_settings(found)]
    for sparsity, at in found["by_sparsity"].items():
        parts += [f"## At {_share(sparsity)}", *_standing(at), *_by_source(found, at)]
        parts += [*_sizes(found, at), *_left_out(at), *_steps(at)]
    return "\n\n".join(parts) + "\n"


INTRODUCTION = """# Settings by their worst source

Which settings hold up on texts that nobody chose them on? Every entry is calibrated on each of several sources that
differ in kind, prunes the model, and is measured on that source (*domain*) and on general texts (*general*). All
numbers are percent of the dense model's nDCG@10, so that 100 is no loss. The worst source decides, not the mean; and
what the rule chooses is reported on sources that had no part in the choice."""


def _conditions(found: Found) -> Iterator[str]:
    about = found["conditions"]
    yield "## How to reproduce"
    written = found.get("written", {"by": "--write docs/robust.md", "numbers": "docs/benchmarks/robust.json"})
    yield f"```\n.venv/bin/python benchmarks/robust.py {written['by']}\n```"
    yield (
        f"measures what is missing, writes this page, and keeps its numbers in `{written['numbers']}`. "
        f"Model: {about['model']} (weights {about['weight_hash'][:12]}…), texts cut at {about['max_length']} tokens. "
        f"Calibration: {_list(found['sizes'])} triplets a side chosen by {about['sampling']}, "
        f"{_count(len(found['seeds']), 'seed')} ({_list(found['seeds'])}), scope `{about['scope']}`. "
        f"{_count(about['cells'], 'cell')}; the median cell took {about['median_seconds']:.0f} s. Versions, on which "
        f"the texts of some sources depend: {', '.join(f'{k} {v}' for k, v in about['versions'].items())}."
    )
    yield from _unequal(found)


def _unequal(found: Found) -> Iterator[str]:
    """Which runs each source has, where not all have the same."""
    runs = {
        source: tuple((size, tuple(seeds)) for size, seeds in sizes.items()) for source, sizes in found["runs"].items()
    }
    if len(set(runs.values())) < 2:
        return
    told = (
        f"`{source}` "
        + ", ".join(f"{size} triplets with seed{'s' * (len(seeds) > 1)} {_list(list(seeds))}" for size, seeds in sizes)
        for source, sizes in runs.items()
    )
    yield f"Not all is measured yet. Runs by source: {'; '.join(told)}."


def _sources(found: Found) -> Iterator[str]:
    yield "## Sources"
    yield (
        "Queries of the evaluation, and what answers them, are of topics, classes or files that calibration never sees."
    )
    head = ("source", "what it is", "other side", "triplets", "passages", "words each", "queries", "words each")
    rows = [
        (
            f"`{name}`",
            one["kind"],
            f"`{one['general']}`",
            f"{one['triplets']:,}",
            str(one["passages"]),
            f"{one['passage_words']:.0f}",
            str(one["queries"]),
            f"{one['query_words']:.0f}",
            f"{one['dense']['domain']:.3f}",
            f"{one['dense']['general']:.3f}",
        )
        for name, one in found["about"].items()
    ]
    yield table((*head, "dense nDCG@10", "of the other side"), rows)
    poor = [name for name, one in found["about"].items() if one["triplets"] < max(found["sizes"])]
    if poor:
        yield (
            f"{_list([f'`{name}`' for name in poor])}: fewer triplets than the largest calibration asks for; all are "
            "taken, whatever the seed."
        )


def _settings(found: Found) -> Iterator[str]:
    yield "## Settings"
    yield table(("entry", "settings"), [(name, f"`{told}`") for name, told in found["entries"].items()])


def _standing(at: Found) -> Iterator[str]:
    yield (
        "The smallest percentage over sources and sizes, where it is, and the mean over them; seeds are averaged. "
        "*Deviation* is over seeds, root mean square of all places. *Waking*: MLP neurons left with an output and "
        "hardly an input, at most."
    )
    rows = [
        (
            one["settings"],
            *(f"{one['worst'][s]['percent']:.1f} (`{one['worst'][s]['source']}`)" for s in SIDES),
            *(f"{one['mean'][s]:.1f}" for s in SIDES),
            "" if one["deviation"] is None else f"{one['deviation']:.1f}",
            str(one["waking"]),
        )
        for one in sorted(at["settings"], key=lambda one: -min(one["worst"][s]["percent"] for s in SIDES))
    ]
    head = ("settings", "worst domain", "worst general", "mean domain", "mean general", "deviation", "waking")
    yield table(head, rows)
    if at["partly"]:
        yield from _partly(at["partly"])


def _partly(told: list[Found]) -> Iterator[str]:
    yield "Measured in a part of the places, and so no part of what is chosen from:"
    head = ("settings", "sources", "sizes", "seeds", "worst domain", "worst general", "mean domain", "mean general")
    rows = [
        (
            one["settings"],
            str(len(one["sources"])),
            ", ".join(one["sizes"]),
            ", ".join(map(str, one["seeds"])),
            *(f"{one['worst'][s]['percent']:.1f} (`{one['worst'][s]['source']}`)" for s in SIDES),
            *(f"{one['mean'][s]:.1f}" for s in SIDES),
        )
        for one in sorted(told, key=lambda one: -min(one["worst"][s]["percent"] for s in SIDES))
    ]
    yield table(head, rows)


def _by_source(found: Found, at: Found) -> Iterator[str]:
    yield "### By source"
    yield "Domain / general, over sizes and seeds."
    rows = [
        (one["settings"], *(" / ".join(f"{one['sources'][s][side]:.1f}" for side in SIDES) for s in found["sources"]))
        for one in at["settings"]
    ]
    yield table(("settings", *(f"`{name}`" for name in found["sources"])), rows)


def _sizes(found: Found, at: Found) -> Iterator[str]:
    if len(found["sizes"]) < 2:
        return
    yield "### By calibration size"
    yield "Smallest / mean percentage over sources and sides."
    rows = [
        (one["settings"], *(f"{size['worst']:.1f} / {size['mean']:.1f}" for size in one["sizes"].values()))
        for one in at["settings"]
    ]
    yield table(("settings", *(f"{size} triplets" for size in sorted(found["sizes"]))), rows)


def _left_out(at: Found) -> Iterator[str]:
    told = at["left_out"]
    if not told["rows"]:
        return
    yield "### One source left out"
    yield (
        "For each source, the entry with the largest smallest percentage (over both sides and all sizes) on the "
        "*other* sources is chosen, and reported on the one left out; sources that have its texts as their other side "
        "go with it. *Own* is its smallest percentage there, *best* the largest that any entry reaches there. This "
        "guards the choice among the entries, not the making of their list; and general texts, which all sources "
        "share, are unseen in no row."
    )
    if told["stays"]:
        yield f"{_list([f'`{name}`' for name in told['stays']])} is the other side of all, and cannot be left out."
    baselines = list(told["rows"][0]["baselines"])
    rows = [
        (
            f"`{row['source']}`",
            row["chosen"],
            *(f"{row[key]:.1f}" for key in ("others", *SIDES, "own", "best")),
            *(f"{row['baselines'][name]:.1f}" for name in baselines),
        )
        for row in told["rows"]
    ]
    head = ("left out", "chosen", "worst of the others", "domain", "general", "own", "best")
    yield table((*head, *(f"own, {name}" for name in baselines)), rows)
    yield _choice(told, baselines)


def _choice(told: Found, baselines: list[str]) -> str:
    """What the rule chooses, how steady the choice is, and how it compares with the baselines."""
    rows = told["rows"]
    same = sum(row["chosen"] == told["chosen"] for row in rows)
    smallest = min(rows, key=lambda row: row["own"])
    parts = [
        f"Over all sources the rule chooses **{told['chosen']}** (worst case {told['percent']:.1f} %); it is the "
        f"choice in {same} of {len(rows)} cases with a source left out. On the source left out, the choice of the "
        f"others keeps {_mean(row['own'] for row in rows):.1f} % on average and {smallest['own']:.1f} % at least "
        f"(`{smallest['source']}`), {_mean(row['best'] - row['own'] for row in rows):.1f} points below the best entry "
        "there on average"
    ]
    for name in baselines:
        theirs = [row["baselines"][name] for row in rows]
        below = sum(row["baselines"][name] < row["own"] for row in rows)
        parts.append(
            f"; {name} keeps {_mean(theirs):.1f} % on average and {min(theirs):.1f} % at least, and less than the "
            f"choice in {below} of {len(rows)}"
        )
    return "".join(parts) + "."


def _steps(at: Found) -> Iterator[str]:
    if not at["steps"]:
        return
    yield "### Step by step"
    yield (
        "Each step against the one before: change in points of the dense score, the mean over sources with its 95 % "
        "interval over queries (sizes and seeds averaged), and the sources with the smallest and the largest change "
        "of both sides."
    )
    rows = []
    for step in at["steps"]:
        ends = [(step[side]["sources"][source], source, side) for side in SIDES for source in step[side]["sources"]]
        ends.sort(key=lambda end: end[0]["change"])
        rows.append(
            (
                f"{step['before']} → {step['settings']}",
                *(_change(step[side]) for side in SIDES),
                *(f"{_change(one)} `{source}`, {side}" for one, source, side in (ends[0], ends[-1])),
            )
        )
    yield table(("step", "domain", "general", "smallest", "largest"), rows)
    yield _verdicts(at["steps"])


def _verdicts(steps: list[Found]) -> str:
    """Which steps' intervals leave out 0, by side."""
    words = []
    for step in steps:
        for side in SIDES:
            one = step[side]
            if one["low"] > 0 or one["high"] < 0:
                words.append(f"{step['settings']} {'gains' if one['low'] > 0 else 'loses'} on the {side} side")
    told = "; ".join(words) if words else "none"
    return f"Steps whose mean change is told from 0 (its interval leaves 0 out): {told}."


def _change(one: Found) -> str:
    return f"{_signed(one['change'])} [{_signed(one['low'])}, {_signed(one['high'])}]"


def _signed(x: float) -> str:
    shown = f"{abs(x):.1f}"
    return shown if float(shown) == 0 else f"{'−' if x < 0 else '+'}{shown}"


def _share(sparsity: str) -> str:
    return f"{100 * float(sparsity):g} %"


def _mean(values: Iterable[float]) -> float:
    return statistics.fmean(values)


def _list(values: list[Any]) -> str:
    *first, last = map(str, values)
    return f"{', '.join(first)} and {last}" if first else last


def _count(n: int, word: str) -> str:
    return f"{n:,} {word}{'' if n == 1 else 's'}"
