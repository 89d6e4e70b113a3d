"""What is left where whole neurons, heads or layers are cut out: figures in a row, and what is kept of each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from gaprune_viz.figures.kit.formatting import count, number, percent
from gaprune_viz.figures.kit.panels import Card

MIB = 2**20
NOT_MEASURED = "not measured"
LOADS = {
    "long-32": "160 words, 32 at a time",
    "long-1": "160 words, one at a time",
    "short-32": "queries, 32 at a time",
    "short-1": "queries, one at a time",
}
"""What models are timed with, the first of them on the card."""


def cut_cards(cut: Mapping[str, Any], *, known: bool) -> list[Card]:
    """Figures of a cut.

    Args:
        cut: as `cut_document` gives it.
        known: whether the cut itself was made already, so that the layers that go are no guess.
    """
    noun = cut["structure"]
    where = "in every layer" if noun != "layers" else _which(cut["layers_gone"], known)
    fewer = 1 - cut["parameters"] / cut["dense_parameters"]
    return [
        Card(f"{noun.capitalize()} kept", f"{cut['after']:,} / {cut['before']:,}", where),
        Card("Parameters", count(cut["parameters"]), f"{percent(fewer)} fewer than {count(cut['dense_parameters'])}"),
        _operations(cut),
        _time(cut["milliseconds"]),
        Card(
            "Weights on disk",
            f"{cut['weight_bytes'] / MIB:.1f} MiB",
            f"dense {cut['weight_bytes'] * cut['dense_parameters'] / cut['parameters'] / MIB:.1f} MiB",
        ),
    ]


def _which(gone: Sequence[int], known: bool) -> str:
    if not gone:
        return "all stay"
    one = len(gone) == 1
    listed = ", ".join(map(str, gone))
    return f"{'layer' if one else 'layers'} {listed} {'goes' if one else 'go'}{'' if known else ', by the preview'}"


def _operations(cut: Mapping[str, Any]) -> Card:
    if cut["flops"] is None:
        return Card("Operations a text", "not known", "experts: only some of the weights read each token")
    fewer = percent(1 - cut["flops"] / cut["dense_flops"])
    return Card("Operations a text", f"{count(cut['flops'])}FLOP", f"{fewer} fewer; {cut['flops_of_tokens']} tokens")


def _time(times: Mapping[str, Mapping[str, float]] | None) -> Card:
    if times is None:
        return Card("Expected time", NOT_MEASURED, "press Measure this machine: operations alone do not tell it")
    dense, mine = times["dense"], times["cut"]
    load = next(iter(LOADS))
    faster = dense[load] / max(mine[load], 1e-9)
    note = f"{mine[load]:.2f} ms a text of {LOADS[load]}; dense {dense[load]:.2f} ms"
    return Card("Expected time", f"{faster:.2f} × as fast", note)


def times_html(times: Mapping[str, Mapping[str, float]], told: str) -> str:
    """Expected milliseconds a text by workload, in one quiet line."""
    dense, mine = times["dense"], times["cut"]
    parts = "; ".join(f"{LOADS[load]}: {mine[load]:.2f} of {dense[load]:.2f} ms" for load in LOADS if load in mine)
    return f'<p class="gv-notice" role="status">Expected a text, of dense. {escape(parts)}. {escape(told)}</p>'


def kept_html(parts: Sequence[tuple[str, int, int]]) -> str:
    """How many structures stay, as bars.

    Args:
        parts: of each structure its name, how many stay, of how many.
    """
    rows = "".join(
        f"<li><span>{escape(label)}</span>"
        f'<span class="gv-bar" aria-hidden="true"><i style="width:{100 * stay / max(1, of):.2f}%"></i></span>'
        f"<b>{stay:,} / {of:,}</b></li>"
        for label, stay, of in parts
    )
    return (
        '<section class="gv-panel gv-cut"><h3>What stays</h3><p class="gv-sub">What goes is cut out for good: no zeros '
        f'are left. Matrices become smaller, and whole layers are grey above.</p><ul class="gv-bars">{rows}</ul>'
        "</section>"
    )


def scores_note(noun: str) -> str:
    """Why pictures of single weights do not say which of them go."""
    return (
        f"Whole {noun} go, by the sums of their weights' scores: a single weight's score decides nothing, and which "
        "weights go is not drawn here. Matrix shows the rows and columns of the cut."
    )


def milliseconds_html(found: Mapping[str, Mapping[str, float]], labels: Mapping[str, str]) -> str:
    """Measured milliseconds a text by model and workload, each beside the dense model's.

    Args:
        found: by model and workload.
        labels: of the models.
    """
    heads = "".join(f'<th scope="col">{escape(LOADS[load])}</th>' for load in LOADS)
    rows = "".join(
        f'<tr><th scope="row">{escape(labels[name])}</th>'
        + "".join(f"<td>{_beside(mine[load], found['dense'][load])}</td>" for load in LOADS)
        + "</tr>"
        for name, mine in found.items()
    )
    return (
        '<section class="gv-plain-table"><h3>Milliseconds a text</h3><p class="gv-sub">Median over the rounds, the '
        "models in turn; in brackets how many times as fast as dense.</p>"
        f"<table><thead><tr><th scope='col'>Model</th>{heads}</tr></thead><tbody>{rows}</tbody></table></section>"
    )


def _beside(mine: float, dense: float) -> str:
    return f"{number(mine)} ({dense / max(mine, 1e-9):.2f} ×)"
