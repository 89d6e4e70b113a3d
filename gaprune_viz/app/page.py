"""The page: it composes the parts and wires them; it computes nothing."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.themes import Base

from gaprune_viz import isolated
from gaprune_viz.app import api, scripts, views
from gaprune_viz.app.access import Access
from gaprune_viz.app.elements import bell, html
from gaprune_viz.app.gate import REFUSALS, Gate
from gaprune_viz.app.guard import guard
from gaprune_viz.app.line import MOST_WAITING
from gaprune_viz.app.sent import CheckedBlocks
from gaprune_viz.app.sessions import MOST_SESSIONS, keep_few_events
from gaprune_viz.app.sidebar import Sidebar, build_sidebar
from gaprune_viz.app.store import DEMO
from gaprune_viz.app.study_handlers import study_choices
from gaprune_viz.app.tabs.atlas import AtlasTab, build_atlas
from gaprune_viz.app.tabs.benchmark import BenchmarkTab, build_benchmark
from gaprune_viz.app.tabs.compare import CompareTab, build_compare
from gaprune_viz.app.tabs.data import SideData, build_data
from gaprune_viz.app.tabs.distributions import KindsPanel, build_distributions
from gaprune_viz.app.tabs.export import ExportTab, build_export
from gaprune_viz.app.tabs.inside import InsideTab, build_inside
from gaprune_viz.app.tabs.learn import build_learn
from gaprune_viz.app.tabs.retrieval import RetrievalTab, build_retrieval
from gaprune_viz.app.tabs.runs import RunsTab, build_runs
from gaprune_viz.app.tabs.study import StudyTab, build_study
from gaprune_viz.app.tabs.sweep import SweepTab, build_sweep
from gaprune_viz.app.tuning import TuningBar, build_tuning
from gaprune_viz.config import ServeSpec, Settings
from gaprune_viz.figures import style
from gaprune_viz.isolated.host import LIBRARIES
from gaprune_viz.presets import Preset
from gaprune_viz.saved import saved_presets

TITLE = "gaprune_viz"
# Waiting jobs hold a thread each while they wait; sliders need threads of their own beside them.
MOST_THREADS = MOST_WAITING + 40

# On a phone the open sidebar would cover the page; one tap brings it back.
_ON_LOAD = """<script>
(() => {
  if (innerWidth >= 768) return;
  let tries = 0;
  const close = () => {
    const toggle = document.querySelector('.sidebar.open .toggle-button');
    if (toggle) toggle.click();
    else if (tries++ < 150) setTimeout(close, 100);
  };
  close();
})();
</script>"""


@dataclass(frozen=True)
class Page:
    """Every component that a handler reads or writes."""

    view: gr.State
    active: gr.State
    query: gr.Textbox
    look: gr.Textbox
    goto: gr.HTML
    sidebar: Sidebar
    tuning: TuningBar
    headline: gr.HTML
    atlas: AtlasTab
    inside: InsideTab
    plots: list[gr.Plot]
    kinds: KindsPanel
    retrieval: RetrievalTab
    sweep: SweepTab
    benchmark: BenchmarkTab
    study: StudyTab
    data: dict[str, SideData]
    export: ExportTab
    compare: CompareTab
    runs: RunsTab
    formula: gr.Markdown
    tab_box: gr.Tabs
    tabs: list[gr.Tab]


def build(serve: ServeSpec | None = None) -> gr.Blocks:
    """The whole page, with the bundled analysis in it: the first paint is a finished picture.

    Args:
        serve: whom it is for; None for the defaults of this machine.
    """
    from gaprune_viz.app.wiring import wire

    view, settings, access = views.View(), Settings(), Access(serve or ServeSpec.here())
    now = views.live(view, settings)
    with CheckedBlocks(title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=(3_600, 14_400)) as demo:
        page = Page(
            view=gr.State(view.model_dump()),
            active=gr.State("atlas"),
            query=gr.Textbox("", visible="hidden", show_label=False),
            look=gr.Textbox("", visible="hidden", show_label=False),
            goto=bell(),
            **_compose(now, view, [] if access.spec.public else list(saved_presets().values())),
        )
        wire(page, demo)
        if not access.spec.public:
            api.offer()
    guard(demo, access)
    return demo


def _compose(now: views.Live, view: views.View, saved: Sequence[Preset] = ()) -> dict[str, Any]:
    sidebar = build_sidebar(views.run_line(now.analysis, DEMO))
    html(_header(), elem_classes=["gv-header"])
    tuning = build_tuning(saved)
    headline = html(views.headline_html(now), elem_id="gv-headline")
    with gr.Tabs(elem_id="gv-tabs", overflow_behavior="wrap") as tab_box:
        with gr.Tab("Atlas", id="atlas") as atlas_tab:
            atlas = build_atlas(now, view)
        with gr.Tab("Matrix", id="inside") as inside_tab:
            inside = build_inside()
        with gr.Tab("Distributions", id="distributions") as distributions_tab:
            plots, kinds = build_distributions(now, view)
        with gr.Tab("Compare", id="compare") as compare_tab:
            compare = build_compare()
        with gr.Tab("Retrieval", id="retrieval") as retrieval_tab:
            retrieval = build_retrieval(now.analysis.run.calibration.domain)
        with gr.Tab("Sweep", id="sweep") as sweep_tab:
            sweep = build_sweep()
        with gr.Tab("Benchmark", id="benchmark") as benchmark_tab:
            benchmark = build_benchmark(now.analysis.run.calibration.domain)
        with gr.Tab("Study", id="study") as study_tab:
            study = build_study(study_choices())
        with gr.Tab("Data", id="data") as data_tab:
            data = build_data()
        with gr.Tab("Export", id="export") as export_tab:
            export = build_export(now)
        with gr.Tab("Runs", id="runs") as runs_tab:
            runs = build_runs()
        with gr.Tab("Learn", id="learn") as learn_tab:
            formula = build_learn()
    return {
        "sidebar": sidebar,
        "tuning": tuning,
        "headline": headline,
        "atlas": atlas,
        "inside": inside,
        "plots": plots,
        "kinds": kinds,
        "compare": compare,
        "runs": runs,
        "retrieval": retrieval,
        "sweep": sweep,
        "benchmark": benchmark,
        "study": study,
        "data": data,
        "export": export,
        "formula": formula,
        "tab_box": tab_box,
        "tabs": [
            atlas_tab,
            inside_tab,
            distributions_tab,
            compare_tab,
            retrieval_tab,
            sweep_tab,
            benchmark_tab,
            study_tab,
            data_tab,
            export_tab,
            runs_tab,
            learn_tab,
        ],
    }


def _header() -> str:
    return (
        '<header class="gv-title"><h1>gaprune_viz</h1>'
        "<p>See what gradient-alignment pruning does to an embedding model, weight by weight.</p>"
        '<nav class="gv-title-tools" aria-label="Page tools">'
        '<button type="button" class="gv-tool" data-gv="tour" id="gv-tour">Take the tour</button>'
        '<button type="button" class="gv-tool" data-gv="share" id="gv-share">Copy link</button>'
        "</nav></header>"
    )


def theme() -> gr.Theme:
    """System fonts only: the page works with no network."""
    fonts = ["ui-sans-serif", "system-ui", "Segoe UI", "Helvetica Neue", "Arial", "sans-serif"]
    mono = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
    return Base(
        primary_hue="blue", secondary_hue="slate", neutral_hue="slate", radius_size="md", font=fonts, font_mono=mono
    )


def warm_up() -> None:
    """Load what the first job needs and the page does not; five seconds in which Python does little else."""
    for name in LIBRARIES:
        importlib.import_module(name)
    isolated.ready()
    # What is here now stays: collecting garbage, which holds everybody up, need not look at it again.
    gc.collect()
    gc.freeze()


def launch(
    host: str = "127.0.0.1",
    port: int = 7860,
    demo: gr.Blocks | None = None,
    serve: ServeSpec | None = None,
    **options: Any,
) -> Any:
    """Serve the page.

    Args:
        host: address to listen on.
        port: port to listen on; 0 lets the system choose.
        demo: the page, where it is built already, for the same `serve`.
        serve: whom it is for; None for the defaults of this machine.
        options: passed on to `gr.Blocks.launch`.
    """
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    serve = serve or ServeSpec.here()
    demo = demo or build(serve)
    keep_few_events()
    if serve.public:
        # The first visitor's run would load them with everybody else's sliders waiting.
        threading.Thread(target=warm_up, daemon=True).start()
    demo.queue(default_concurrency_limit=8)
    return demo.launch(
        server_name=host,
        server_port=port or None,
        root_path=serve.root_path or None,
        theme=theme(),
        mcp_server=api.mcp_installed() and not serve.public,
        head=style.head() + scripts.head() + _ON_LOAD,
        max_file_size=serve.upload_limit,
        max_threads=MOST_THREADS,
        state_session_capacity=MOST_SESSIONS,
        app_kwargs={
            "exception_handlers": REFUSALS,
            "middleware": [(Gate, (), {"spec": serve})] if serve.public else None,
        },
        footer_links=["settings"] if serve.public else ["api", "settings"],
        # What went wrong unforeseen may name the server's files: it is in its log.
        show_error=not serve.public,
        **{"quiet": False, **options},
    )
