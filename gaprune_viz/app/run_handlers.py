"""Run an analysis, and show it: the one on screen stays until the new one is whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from gaprune_viz.app import jobs, views
from gaprune_viz.app import searching as search
from gaprune_viz.app.access import visitor
from gaprune_viz.app.heavy import Changes, Heavy, analysis_of, steps
from gaprune_viz.app.sidebar import run_from
from gaprune_viz.app.store import STORE
from gaprune_viz.app.tuning import settings_from
from gaprune_viz.app.url import look_query
from gaprune_viz.app.views import View
from gaprune_viz.config import STARTER_DOMAINS, Settings
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.figures import panels
from gaprune_viz.figures.progress import progress_html

if TYPE_CHECKING:
    from gaprune_viz.app.page import Page


def run_outputs(page: Page) -> list[Any]:
    """What a new analysis changes."""
    side, atlas = page.sidebar, page.atlas
    return [
        side.run,
        side.cancel,
        side.progress,
        side.current,
        page.look,
        page.headline,
        atlas.heatmap,
        atlas.reasons,
        atlas.detail,
        atlas.histogram,
        atlas.profile,
        atlas.table,
        atlas.overlaps,
        *page.plots,
        page.retrieval.task,
        page.retrieval.pick,
    ]


def run_analysis(page: Page) -> Callable[..., Heavy]:
    """Run the analysis that the sidebar describes; the one on screen stays until the new one is whole."""
    side = page.sidebar

    def handler(request: gr.Request, view: dict[str, Any], active: str, *values: Any) -> Heavy:
        flag = jobs.begin(request)
        count = len(side.controls)
        idle = {side.run: gr.update(interactive=True), side.cancel: gr.update(interactive=False)}
        yield {
            side.run: gr.update(interactive=False),
            side.cancel: gr.update(interactive=True),
            side.progress: progress_html("Starting", None),
        }
        try:
            run = run_from(values[:count])
            settings = settings_from(values[count:])
            folder = yield from steps(jobs.watched(analysis_of(run), flag), flag, side.progress)
            name = visitor().admit(folder)
            notes = STORE.analysis(name).statistics.document["notes"]
            shown = View.parse({**view, "analysis": name})
            done = panels.notice(f"Done. {' '.join(notes[:3])}")
            yield {**idle, side.progress: done, **_shown(page, shown, settings)}
        except Cancelled:
            text = "Cancelled. The analysis on screen is the one from before."
            yield {**idle, side.progress: panels.notice(text)}
        except GapruneError as error:
            yield {**idle, side.progress: panels.error_card(error.message, error.hint)}

    return handler


def _shown(page: Page, view: View, settings: Settings) -> Changes:
    """Everything that a new analysis draws."""
    now = views.live(view, settings)
    atlas = page.atlas
    changes: Changes = {
        page.view: view.model_dump(),
        page.look: look_query(view, now.analysis.statistics.matrices),
        page.sidebar.current: views.run_line(now.analysis, view.analysis),
        page.headline: views.headline_html(now),
        atlas.heatmap: views.atlas_html(now, view),
        atlas.reasons: views.reasons_html(now),
        atlas.detail: views.detail_html(now, view),
        atlas.histogram: views.detail_figure(now, view),
        atlas.profile: views.profile_figure(now),
        atlas.table: views.matrix_table(now),
        atlas.overlaps: views.overlap_table(now),
        **dict(
            zip(page.plots, [*views.distribution_figures(now), views.scatter_figure(now, view, "scope")], strict=True)
        ),
    }
    domain = now.analysis.run.calibration.domain
    if domain in STARTER_DOMAINS:
        changes[page.retrieval.task] = domain
        changes[page.retrieval.pick] = gr.update(choices=search.query_choices(domain), value=None)
    return changes
