"""The frame that every plotly figure shares: size, fonts, axes, hover, toolbar.

Text and grid colours here are the fallback of exported pictures; on the page the style sheet sets them, light or dark.
"""

from __future__ import annotations

from html import escape
from typing import Any

import plotly.graph_objects as go

from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.formatting import power_of_ten, shortened

FONT = (
    '-apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", "Liberation Sans", Arial, '
    "sans-serif"
)
HEIGHT = 380
UNUSED_BUTTONS = ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"]


def framed(height: int, title: str, subtitle: str = "", *, left: int = 64, legend: bool = False) -> go.Figure:
    """An empty figure of a fixed height on a clear ground.

    The legend stands below the plot, where it may wrap on a phone without covering anything.

    Args:
        height: pixels.
        title, subtitle: plain text; escaped here.
        left: margin in pixels.
        legend: whether one is drawn.
    """
    text = f"<b>{plain(title)}</b>"
    if subtitle:
        text += f'<br><span style="font-size:12px">{plain(subtitle)}</span>'
    # All at once: `update_layout` and its like take ten times as long.
    layout = go.Layout(
        height=height,
        autosize=True,
        margin={"l": left, "r": 20, "t": 68 if subtitle else 46, "b": 52, "pad": 0},
        paper_bgcolor=scales.CLEAR,
        plot_bgcolor=scales.CLEAR,
        font={"family": FONT, "size": 12, "color": scales.INK},
        title={
            "text": text,
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"l": 16, "t": 22 if subtitle else 14},
            "font": {"size": 14, "color": scales.INK},
        },
        hoverlabel={
            "bgcolor": scales.HOVER_GROUND,
            "bordercolor": scales.HOVER_GROUND,
            "font": {"family": FONT, "size": 12, "color": scales.HOVER_INK},
            "align": "left",
        },
        showlegend=legend,
        legend={
            "orientation": "h",
            "x": 0.5,
            "xref": "container",
            "xanchor": "center",
            "y": 0.01,
            "yref": "container",
            "yanchor": "bottom",
            "bgcolor": scales.CLEAR,
            "itemclick": False,
            "itemdoubleclick": False,
        },
        modebar={"bgcolor": scales.CLEAR, "color": scales.INK, "activecolor": scales.KEPT, "remove": UNUSED_BUTTONS},
        # Dragging belongs to the page on a phone; the toolbar turns zooming on.
        dragmode=False,
        hovermode="closest",
        bargap=0.2,
        xaxis=axis(),
        yaxis=axis(),
    )
    return go.Figure(layout=layout)


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    """A quiet axis: thin grid, no zero line, a small title. Titles are escaped here."""
    return {
        "title": {"text": plain(title), "font": {"size": 12, "color": scales.INK}, "standoff": 8},
        "gridcolor": scales.GRID,
        "linecolor": scales.GRID,
        "zeroline": False,
        "ticks": "",
        "tickfont": {"size": 11, "color": scales.INK},
        "automargin": True,
        **more,
    }


def log_ticks(low: float, high: float, most: int = 7) -> dict[str, Any]:
    """Ticks at whole powers of ten between two exponents, thinned out to at most `most`."""
    first, last = int(-(-low // 1)), int(high // 1)
    step = max(1, -(-(last - first + 1) // most))
    places = list(range(first, last + 1, step))
    return {"tickmode": "array", "tickvals": places, "ticktext": [power_of_ten(p) for p in places]}


def plain(text: str) -> str:
    """Text for plotly, which reads a small HTML of its own."""
    return escape(text, quote=False)


def matrix_name(name: str) -> str:
    """A parameter name short enough for a phone."""
    return shortened(name, 44)


def layer_ticks(layers: list[int], most: int = 20) -> dict[str, Any]:
    """Layer labels at positions 0, 1, ...; thinned out where there are many."""
    step = max(1, -(-len(layers) // most))
    places = list(range(0, len(layers), step))
    return {"tickmode": "array", "tickvals": places, "ticktext": [str(layers[p]) for p in places]}


def empty(title: str, text: str, height: int = 180) -> go.Figure:
    """A figure that says why there is nothing to draw."""
    figure = framed(height, title)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.add_annotation(
        text=plain(text), x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font={"size": 13}
    )
    return figure
