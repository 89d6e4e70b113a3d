"""A frontier on the page: quality against time, the size of a mark its bytes; and the same as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.plotly_frame import axis, framed, plain
from gaprune_viz.figures.weights.structures import LOADS

Document = Mapping[str, Any]
MIB = 2**20
HEIGHT = 460
SMALLEST, LARGEST = 9, 34
KINDS = (
    ("dense", "dense", scales.DENSE, "circle"),
    ("neurons", "neurons or layers cut out", scales.KEPT, "square"),
    ("layers", "neurons or layers cut out", scales.KEPT, "square"),
    ("weights", "weights set to zero", scales.PRUNED, "diamond"),
    ("static", "static vectors", scales.OTHER_TERM, "triangle-up"),
)
INT8 = " (int8)"
OTHER = ("other", scales.OTHER_TERM, "cross")


def frontier_figure(document: Document, load: str) -> go.Figure:
    """Quality in percent of dense against milliseconds a text; a line joins what nothing else beats in both.

    Args:
        document: as `open_frontier` gives it.
        load: a workload that it was timed with.
    """
    rows = document["rows"]
    times, quality = [row["milliseconds"][load] for row in rows], [quality_of(row) for row in rows]
    figure = framed(
        HEIGHT,
        f"{document['model']}: quality against time",
        f"{LOADS.get(load, load)}; numbers as in the table",
        legend=True,
    )
    best = sorted((t, q) for t, q in zip(times, quality, strict=True) if not _beaten(t, q, times, quality))
    figure.add_trace(
        go.Scatter(
            x=[t for t, _ in best],
            y=[q for _, q in best],
            mode="lines",
            name="nothing is faster and better",
            line={"color": scales.INK, "width": 1.5, "dash": "dot", "shape": "hv"},
            hoverinfo="skip",
        )
    )
    largest = max(size_of(row) for row in rows)
    for name in dict.fromkeys(look_of(row)[0] for row in rows):
        figure.add_trace(_marks([(n, row) for n, row in numbered(rows) if look_of(row)[0] == name], load, largest))
    low, high = math.log10(min(times)) - 0.12, math.log10(max(times)) + 0.3
    figure.layout.xaxis = axis("milliseconds a text", type="log", range=[low, high], dtick="D2")
    floor, roof = min(quality), max(*quality, 100.0)
    room = max(2.0, 0.08 * (roof - floor))
    figure.layout.yaxis = axis("nDCG@10, % of dense, mean of both tasks", range=[floor - room, roof + room])
    return figure


def _marks(chosen: Sequence[tuple[int, Mapping[str, Any]]], load: str, largest: int) -> go.Scatter:
    """The marks of one kind, each with its number in the table: names would cover each other."""
    rows = [row for _, row in chosen]
    name, color, symbol, hollow = look_of(rows[0])
    return go.Scatter(
        x=[row["milliseconds"][load] for row in rows],
        y=[quality_of(row) for row in rows],
        mode="markers+text",
        name=name,
        text=[str(number) for number, _ in chosen],
        textposition="middle right",
        textfont={"size": 12, "color": scales.INK},
        marker={
            "color": scales.CLEAR if hollow else scales.faded(color, 0.55),
            "symbol": symbol,
            "size": [SMALLEST + (LARGEST - SMALLEST) * math.sqrt(size_of(row) / largest) for row in rows],
            "line": {"color": color, "width": 2},
        },
        customdata=[[plain(row["label"]), _sides(row), f"{size_of(row) / MIB:.1f}"] for row in rows],
        hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]}<br>%{x:.2f} ms, %{customdata[2]} MiB<extra></extra>",
    )


def numbered(rows: Sequence[Mapping[str, Any]]) -> list[tuple[int, Mapping[str, Any]]]:
    """The rows with their numbers, from 1."""
    return list(enumerate(rows, start=1))


def frontier_table(document: Document, load: str) -> pd.DataFrame:
    """Every model on one line, the dense one first; times are those of one workload."""
    dense = document["rows"][0]["milliseconds"][load]
    found = []
    for number, row in numbered(document["rows"]):
        line: dict[str, Any] = {"No": number, "Model": row["label"]}
        line |= {f"{side.capitalize()}, %": round(100 * share, 1) for side, share in row["of_dense"].items()}
        line["MiB"] = round(size_of(row) / MIB, 1)
        line["ms a text"] = round(row["milliseconds"][load], 2)
        line["times as fast"] = round(dense / row["milliseconds"][load], 2)
        line["Kept"] = row["kept"]
        found.append(line)
    return pd.DataFrame(found)


def frontier_sentences(document: Document, load: str) -> list[str]:
    """What stands out: what nothing beats in quality, time and size at once, and with what it was measured."""
    rows = document["rows"]
    facts = [(quality_of(row), -row["milliseconds"][load], -size_of(row)) for row in rows]
    best = [
        row["label"]
        for row, mine in zip(rows, facts, strict=True)
        if not any(dominates(other, mine) for other in facts)
    ]
    tasks = " and ".join(f"{task['name']} ({task['queries']:,} queries)" for task in document["tasks"].values())
    return [
        f"Nothing here is better in quality, time and size at once than: {'; '.join(best)}.",
        f"Measured on {tasks}, all models in turn on one machine with {threads_of(document)}, medians of "
        f"{document['rounds']} rounds. The larger a mark, the more bytes: of packed weights those of the packed file, "
        "of int8 what the model holds in memory.",
    ]


def threads_of(document: Document) -> str:
    """With how many threads the models were timed."""
    return "1 thread" if document["threads"] == 1 else f"{document['threads']} threads"


def look_of(row: Mapping[str, Any]) -> tuple[str, str, str, bool]:
    """Name, colour and symbol of a row's kind, and whether its mark is hollow: int8."""
    name, color, symbol = next((rest for kind, *rest in KINDS if row["row"].split("-")[0] == kind), OTHER)
    int8 = row["row"].endswith("-int8")
    return (name + INT8 if int8 else name), color, symbol, int8


def quality_of(row: Mapping[str, Any]) -> float:
    """Percent of dense, the mean of the tasks."""
    return 100 * sum(row["of_dense"].values()) / len(row["of_dense"])


def size_of(row: Mapping[str, Any]) -> int:
    """Bytes of the weights, packed where they have zeros."""
    return int(row["packed_bytes"] or row["bytes"])


def _sides(row: Mapping[str, Any]) -> str:
    """Percent of dense by side, with the 95 % interval where there is one."""
    ends = row.get("interval") or {}
    told = {side: f" [{100 * e[0]:.1f}, {100 * e[1]:.1f}]" if (e := ends.get(side)) else "" for side in row["of_dense"]}
    return ", ".join(f"{plain(side)} {100 * share:.1f} %{told[side]}" for side, share in row["of_dense"].items())


def _beaten(time: float, quality: float, times: Sequence[float], qualities: Sequence[float]) -> bool:
    return any(dominates((q, -t), (quality, -time)) for t, q in zip(times, qualities, strict=True))


def dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether one is nowhere worse, and somewhere better: more is better in every place."""
    return all(a >= b for a, b in zip(one, other, strict=True)) and one != other
