"""Frontiers as one Markdown document: quality on every source, time and size of one run, one picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gaprune_viz.config import SIDES
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.frontier.document import KIND
from gaprune_viz.figures.experiments.frontier_plot import dominates, size_of, threads_of
from gaprune_viz.figures.experiments.frontier_svg import TIMED, frontier_svg
from gaprune_viz.storage.workspace import write_whole

LOADS = {
    f"{length}-{batch}": f"{words}, batch {batch}"
    for length, words in (("short", "a query"), ("long", "160 words"))
    for batch in (1, 32)
}
MANY, ONE = "the mean over calibration seeds (lowest to highest)", "[the 95 % interval, paired with dense over queries]"
NOTES = """\
- int8 is torch's own dynamic quantisation of linear layers (`torch.ao.quantization.quantize_dynamic`): it needs no
  other runtime. Embedding tables stay in fp32, and are most of a small model's size.
- A mask makes a model no faster. Its size is that of a packed folder (`--packed`), which is unpacked before use.
- The static model is made of the dense one's vectors of single tokens, as model2vec does it."""
Document = Mapping[str, Any]


@dataclass(frozen=True)
class Source:
    """What was measured of one pair of data and tasks, once for each calibration seed.

    Attributes:
        name: of the domain's task.
        documents: frontiers, each of a seed of its own.
    """

    name: str
    documents: list[Document]

    def rows(self, name: str) -> list[dict[str, Any]]:
        """A row in every frontier that has it."""
        return [row for document in self.documents for row in document["rows"] if row["row"] == name]


def write_frontiers(documents: Sequence[Document], place: Path) -> None:
    """Write the document, and a picture of the first frontier beside it.

    Raises:
        GapruneError: the first one was not timed with the texts of the picture, or they cannot be written.
    """
    if TIMED not in documents[0]["rows"][0]["milliseconds"]:
        raise GapruneError("The first frontier was not timed with long texts, 32 at a time.", KIND.again)
    picture = place.with_suffix(".svg")
    write_whole(picture, frontier_svg(documents[0]))
    write_whole(place, frontiers_markdown(documents, picture.name))


def frontiers_markdown(documents: Sequence[Document], picture: str) -> str:
    """The document.

    Args:
        documents: as `run_frontier` and `open_frontier` give them; times, sizes and the picture are the first one's.
        picture: name of its file.
    """
    sources = sources_of(documents)
    first, spec = documents[0], documents[0].get("spec")
    lines = [
        "# What is smaller, what is faster, and what it costs",
        "",
        "Made by `gaprune-viz frontier` and `gaprune-viz frontier-report`; nothing here was written by hand.",
        "",
        *(f"- {_measured(source)}" for source in sources),
        "",
        f"Model: {first['model']}. Every model was read by a fresh process without this package, and the scores are "
        "those of that process.",
        "",
        f"![Quality against time; the area of a mark is its size]({picture})",
        "",
        "## Quality",
        "",
        f"nDCG@10 in percent of the dense model's, domain / general: {_spread(sources)}.",
        "",
        *_quality(sources),
        "",
        *_kept(sources),
        *_how(spec),
        "## Time and size",
        "",
        f"Measured in one run on {sources[0].name}, {threads_of(first)}: the median of {first['rounds']} rounds in "
        "which all models took turns; x is how many times as fast as dense. Size is that of the weights on disk, for "
        "int8 of what the model holds in memory.",
        "",
        *_times(first),
        "",
        _unbeaten(first),
        "",
        NOTES,
    ]
    return "\n".join(lines) + "\n"


def sources_of(documents: Sequence[Document]) -> list[Source]:
    """Frontiers by their data and tasks, in the order given."""
    found: dict[tuple[str, ...], Source] = {}
    for document in documents:
        tasks = [str(task["name"]) for task in document["tasks"].values()]
        key = (str(document["model"]), *map(str, document["data"].values()), *tasks)
        found.setdefault(key, Source(tasks[0], [])).documents.append(document)
    return list(found.values())


def _measured(source: Source) -> str:
    first = source.documents[0]
    tasks = " and ".join(f"{task['name']} ({task['queries']:,} queries)" for task in first["tasks"].values())
    seeds = list(dict.fromkeys(d["calibration"]["seed"] for d in source.documents if d.get("calibration")))
    told = f"; calibration {'seeds' if len(seeds) > 1 else 'seed'} {', '.join(map(str, seeds))}" if seeds else ""
    return f"**{source.name}**: analysed on {' and '.join(first['data'].values())}, measured on {tasks}{told}."


def _spread(sources: Sequence[Source]) -> str:
    """What the brackets mean, of those that there are."""
    cells = [source.rows(row["row"]) for source in sources for row in _every(sources)]
    many = any(len(rows) > 1 for rows in cells)
    one = any(len(rows) == 1 and rows[0].get("interval") for rows in cells)
    return "; of one seed ".join([MANY] * many + [ONE] * one) or "of one seed"


def _every(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """The first of every row, in the order in which frontiers have them."""
    rows: dict[str, dict[str, Any]] = {}
    for source in sources:
        for document in source.documents:
            for row in document["rows"]:
                rows.setdefault(row["row"], row)
    return list(rows.values())


def _quality(sources: Sequence[Source]) -> Iterator[str]:
    yield f"| model | {' | '.join(source.name for source in sources)} |"
    yield f"|---|{'---|' * len(sources)}"
    for row in _every(sources):
        cells = (_sides(source.rows(row["row"])) for source in sources)
        yield f"| {row['label']} | {' | '.join(cells)} |"


def _sides(rows: Sequence[Mapping[str, Any]]) -> str:
    return " / ".join(_share(rows, side) for side in SIDES) if rows else ""


def _share(rows: Sequence[Mapping[str, Any]], side: str) -> str:
    """Percent of dense: of several seeds their mean and ends, of one its interval."""
    shares = [100 * row["of_dense"][side] for row in rows]
    mean = f"{np.mean(shares):.1f}"
    if len(shares) > 1:
        return f"{mean} ({min(shares):.1f} to {max(shares):.1f})" if max(shares) > min(shares) else mean
    ends = (rows[0].get("interval") or {}).get(side)
    return f"{mean} [{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]" if ends and ends[0] < ends[1] else mean


def _kept(sources: Sequence[Source]) -> Iterator[str]:
    """How the cuts were finished."""
    rows = [row for row in _every(sources) if row["kept"] and not row["row"].endswith("-int8")]
    if not rows:
        return
    yield "What was kept after each cut, by the number of seeds:"
    yield ""
    for row in rows:
        told = []
        for source in sources:
            ways = Counter(found["kept"] for found in source.rows(row["row"]))
            if ways:
                told.append(f"{source.name}: {', '.join(f'*{way}* ({n})' for way, n in ways.most_common())}")
        yield f"- {row['label']}: {'; '.join(told)}."
    yield ""


def _how(spec: Mapping[str, Any] | None) -> Iterator[str]:
    if spec is None:
        return
    refit = "a refit, biases" if spec["settings"]["refit"]["refit"] else "nothing else"
    yield (
        f"Weights are scored by `{spec['settings']['score']['criterion']}`. After a cut of neurons {refit} and "
        f"{spec['steps']} steps of retraining were tried; what was best on held-out calibration queries was kept."
    )
    yield ""


def _times(document: Document) -> Iterator[str]:
    dense = document["rows"][0]["milliseconds"]
    heads = [f"ms, {LOADS.get(key, key)}" for key in dense]
    yield f"| model | MiB | {' | '.join(heads)} |"
    yield f"|---|---:|{'---:|' * len(heads)}"
    for row in document["rows"]:
        times = (f"{row['milliseconds'][key]:.2f} ({dense[key] / row['milliseconds'][key]:.2f} x)" for key in dense)
        yield f"| {row['label']} | {size_of(row) / 2**20:.1f} | {' | '.join(times)} |"


def _unbeaten(document: Document) -> str:
    """Rows that no other one beats in quality, time and size together."""
    rows = document["rows"]
    facts = [(*(row["of_dense"][side] for side in SIDES), -row["milliseconds"][TIMED], -size_of(row)) for row in rows]
    best = [row["label"] for row, mine in zip(rows, facts, strict=True) if not any(dominates(f, mine) for f in facts)]
    return f"No other is better in quality, time and size at once than: {'; '.join(best)}."
