"""The frame that every plotly figure shares: size, fonts, axes, hover, toolbar.

Text and grid colours here are the fallback of exported pictures; on the page the style sheet sets them, light or dark.
"""

from __future__ import annotations

from html import escape
from typing import Any

import plotly.graph_objects as go

from gaprune_viz.figures import scales
from gaprune_viz.figures.formatting import power_of_ten, shortened

FONT = '-apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", "Liberation Sans", Arial, sans-serif'
UNUSED_BUTTONS = ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"]


def framed(height: int, title: str, subtitle: str = "", *, left: int = 56, bottom: int = 48, top: int = 0) -> go.Figure:
    """An empty figure of a fixed height on a clear ground.

    Args:
        height: pixels.
        title, subtitle: plain text; escaped here.
        left, bottom: margins in pixels.
        top: further pixels between the titles and the plot, for a legend.
    """
    figure = go.Figure()
    figure.update_layout(
        height=height,
        autosize=True,
        margin={"l": left, "r": 12, "t": (58 if subtitle else 40) + top, "b": bottom, "pad": 0},
        paper_bgcolor=scales.CLEAR,
        plot_bgcolor=scales.CLEAR,
        font={"family": FONT, "size": 12, "color": scales.INK},
        title={
            "text": plain(title),
            "subtitle": {"text": plain(subtitle), "font": {"size": 12, "color": scales.INK}},
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"l": 4, "t": 8},
            "font": {"size": 14, "color": scales.INK, "weight": 600},
        },
        hoverlabel={
            "bgcolor": scales.HOVER_GROUND,
            "bordercolor": scales.HOVER_GROUND,
            "font": {"family": FONT, "size": 12, "color": scales.HOVER_INK},
            "align": "left",
        },
        legend={
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1,
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
        showlegend=False,
    )
    figure.update_xaxes(**axis())
    figure.update_yaxes(**axis())
    return figure


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
