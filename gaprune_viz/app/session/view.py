"""What a page looks at, under which settings, and what is known of it. Composition only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.app.session.access import DEMO
from gaprune_viz.app.session.store import STORE
from gaprune_viz.calibration.statistics import MatrixInfo
from gaprune_viz.config import Fisher, Settings, Spec
from gaprune_viz.criteria.registry import criterion
from gaprune_viz.figures.kit import panels
from gaprune_viz.figures.kit.formatting import percent
from gaprune_viz.figures.kit.metrics import ROLE_LABELS
from gaprune_viz.masking.neuron_masks import Losses
from gaprune_viz.models.prompts import told
from gaprune_viz.pruning.structured.size_estimate import Foreseen
from gaprune_viz.sketch.preview import Overlaps, Preview


class View(Spec):
    """What a page looks at; kept in the session, never a tensor.

    Attributes:
        analysis: id of the analysis, never a path (`access`); `demo` is the bundled one.
        selected: name of the selected matrix; empty for the first.
        metric: what colours the atlas.
        scale: how numbers become its colours.
        grouping: its rows: roles, or the two blocks of a layer.
    """

    analysis: str = DEMO
    selected: str = ""
    metric: str = "pruned_fraction"
    scale: str = "auto"
    grouping: str = "role"


@dataclass(frozen=True)
class Live:
    """An analysis under some settings.

    Attributes:
        table: one row per matrix.
        losses: of the exact masks, where they are known.
        cut: what is left where whole structures go; None where single weights do.
    """

    analysis: Analysis
    preview: Preview
    table: pd.DataFrame
    losses: Losses | None = None
    cut: Foreseen | None = None

    @cached_property
    def overlaps(self) -> Overlaps:
        """The mask against every criterion's; nothing where structures go, of which a sketch cannot tell."""
        if self.cut is not None:
            return Overlaps({}, {})
        return self.analysis.live.overlaps(self.preview.settings)

    @property
    def label(self) -> str:
        """Short name of the score: `DAI` or the criterion's label."""
        name = self.preview.settings.score.criterion
        return "DAI" if name == "dai" else criterion(name).label


@dataclass(frozen=True)
class Shown:
    """What is drawn for a page: what it looks at, under which settings, with what else its parts hold.

    Attributes:
        values: what the components hold that the drawing part reads.
    """

    view: View
    settings: Settings
    values: Mapping[Any, Any] = field(default_factory=dict)

    @cached_property
    def now(self) -> Live:
        return live(self.view, self.settings)

    @property
    def selected(self) -> str:
        """Name of the selected matrix."""
        return selected_name(self.view, self.now.analysis)


def live(view: View, settings: Settings) -> Live:
    """Score the sketch of the analysis that a page looks at."""
    analysis = STORE.analysis(view.analysis)
    if settings.structure.whole:
        preview, cut = STORE.cut(analysis, settings)
    else:
        preview, cut = STORE.preview(analysis, settings), None
    losses = STORE.losses(analysis, settings)
    table = analysis.summary.assign(
        pruned_fraction=preview.pruned_fraction,
        score_mean=preview.score_mean,
        threshold=preview.thresholds,
        source_agreement=analysis.live.agreement,
        # Never from the sketch, which holds too few stretches of rows to tell a share of rows.
        rows_gone=[losses.rows[m.name] / m.rows if losses else np.nan for m in analysis.statistics.matrices],
    )
    return Live(analysis, preview, table, losses, cut)


def selected_name(view: View, analysis: Analysis) -> str:
    """The selected matrix; the first one where the selection does not belong to this analysis."""
    names = analysis.statistics.names
    return view.selected if view.selected in names else names[0]


def place_of(name: str, matrices: Sequence[MatrixInfo]) -> str:
    """A matrix as an address names it, `3-down`, or `3-down-2` for the third expert; empty where there is none."""
    for matrix in matrices:
        if matrix.name == name:
            same = [m.name for m in matrices if (m.layer, m.role) == (matrix.layer, matrix.role)]
            number = same.index(name)
            return f"{matrix.layer}-{matrix.role}{f'-{number}' if number else ''}"
    return ""


def matrix_label(row: Mapping[Any, Any]) -> str:
    """A matrix as people read it."""
    return f"layer {row['layer']} {ROLE_LABELS[row['role']]}"


def mask_words(analysis: Analysis) -> str:
    """What a mask over all weights is: exact, or how near to it."""
    off = analysis.statistics.off
    if off is None:
        return "exact mask"
    return f"mask from compact statistics (at most {percent(off)} of it off the exact one)"


def _prompts(model: Mapping[str, Any]) -> str:
    """The prompts of a run and who said them, where there are any; analyses of before did not write who."""
    query, passage = model.get("query_prompt") or "", model.get("passage_prompt") or ""
    return f"prompts: {told(query, passage, model.get('prompts_from', {}))} · " if query or passage else ""


def run_line(analysis: Analysis, name: str) -> str:
    """What one is looking at, in one line of HTML."""
    document = analysis.statistics.document
    spec = analysis.run.calibration
    data = document["data"]
    text = (
        f"{document['model']['label']} · {data['domain']['name']} against {data['general']['name']} · "
        f"scope {spec.scope.value} · {data['domain']['samples']} + {data['general']['samples']} samples · "
        f"{'' if spec.fisher is Fisher.CONTRASTIVE else f'Fisher of {spec.fisher.value} · '}"
        f"{_prompts(document['model'])}{document['seconds']:.0f} s"
    )
    return panels.run_header(text, bundled=name == DEMO)
