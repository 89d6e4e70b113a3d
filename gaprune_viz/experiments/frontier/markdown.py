"""A frontier as a Markdown document with one table and one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gaprune_viz.config import SIDES
from gaprune_viz.figures.experiments.frontier import TIMED, frontier_svg
from gaprune_viz.figures.experiments.frontier_plot import threads_of
from gaprune_viz.storage.workspace import write_whole

LENGTHS = {"short": "a query", "long": "160 words"}


def write_frontier(document: dict[str, Any], place: Path) -> None:
    """Write the document, and its picture beside it.

    Raises:
        GapruneError: they cannot be written.
    """
    picture = place.with_suffix(".svg")
    write_whole(picture, frontier_svg(document))
    write_whole(place, frontier_markdown(document, picture.name))


def frontier_markdown(document: dict[str, Any], picture: str) -> str:
    """The document."""
    tasks = " and ".join(f"{t['name']} ({t['queries']} queries)" for t in document["tasks"].values())
    spec = document["spec"]
    refit = "a refit, biases" if spec["settings"]["refit"]["refit"] else "nothing else"
    return f"""# What is smaller, what is faster, and what it costs

Made by `gaprune-viz frontier RUN --task {spec["task"]} --general-task {spec["general_task"]} --markdown FILE`.

{document["model"]}, analysed on {" and ".join(document["data"].values())}; measured on {tasks}, one machine, one run,
{threads_of(document)}. Quality is nDCG@10 in percent of the dense model's, domain / general; every model was
read by a fresh process without this package, and the scores are those of that process. Time is the median of
{document["rounds"]} rounds in which all models took turns; x is how many times as fast as dense. Size is that of the
weights on disk, for int8 of what the model holds in memory.

![Quality against time; the area of a mark is its size]({picture})

{_table(document)}

{_notes(document)}
- Weights are scored by `{spec["settings"]["score"]["criterion"]}`. After a cut of neurons {refit} and \
{spec["steps"]} steps of retraining were tried; what was best on held-out calibration queries was kept: see *kept*.
- int8 is torch's own dynamic quantisation of linear layers (`torch.ao.quantization.quantize_dynamic`): it needs no
  other runtime. Embedding tables stay in fp32, and are most of a small model's size.
- A mask makes a model no faster. Its size is that of a packed folder (`--packed`), which is unpacked before use.
- The static model is made of the dense one's vectors of single tokens, as model2vec does it.
"""


def _table(document: dict[str, Any]) -> str:
    keys = list(document["rows"][0]["milliseconds"])
    heads = [f"{LENGTHS[key.split('-')[0]]}, batch {key.split('-')[1]}" for key in keys]
    lines = [
        f"| model | nDCG@10, % of dense | MiB | {' | '.join(f'ms, {head}' for head in heads)} | kept |",
        f"|---|---|---:|{'---:|' * len(heads)}---|",
    ]
    for row in document["rows"]:
        quality = " / ".join(f"{100 * row['of_dense'][side]:.1f}" for side in SIDES)
        times = " | ".join(f"{row['milliseconds'][key]:.2f} ({row['speed'][key]:.2f} x)" for key in keys)
        lines.append(f"| {row['label']} | {quality} | {size_of(row) / 2**20:.1f} | {times} | {row['kept']} |")
    return "\n".join(lines)


def size_of(row: dict[str, Any]) -> int:
    """Bytes of a row's weights, packed where they have zeros."""
    return int(row["packed_bytes"] or row["bytes"])


def _notes(document: dict[str, Any]) -> str:
    """Rows that no other one beats in quality, time and size together."""
    rows = [row for row in document["rows"] if not any(_beats(other, row) for other in document["rows"])]
    return f"No other is better in quality, time and size at once than: {'; '.join(row['label'] for row in rows)}.\n"


def _beats(one: dict[str, Any], other: dict[str, Any]) -> bool:
    def values(row: dict[str, Any]) -> tuple[float, ...]:
        return (*(-row["of_dense"][side] for side in SIDES), row["milliseconds"][TIMED], size_of(row))

    pairs = list(zip(values(one), values(other), strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
