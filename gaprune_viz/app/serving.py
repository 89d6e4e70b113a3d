"""Serving the page: its address, theme, styles and scripts, and what it loads beforehand."""

from __future__ import annotations

import gc
import json
import logging
import os
import socket
import threading
from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.themes import Base

from gaprune_viz.app import endpoints, tour
from gaprune_viz.app.frame.tab import Tab
from gaprune_viz.app.page import build
from gaprune_viz.app.session.access import DEMO
from gaprune_viz.app.session.http_gate import REFUSALS, Gate
from gaprune_viz.app.session.page_closing import MOST_SESSIONS, keep_few_events
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.tabs import TABS
from gaprune_viz.app.tuning import autoplay
from gaprune_viz.app.widgets import scripts, style
from gaprune_viz.app.widgets.early_scripts import First
from gaprune_viz.config import ServeSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.executors import library_loading
from gaprune_viz.jobs import process, zerogpu
from gaprune_viz.jobs.job_queue import MOST_WAITING

# Waiting jobs hold a thread each while they wait; sliders need threads of their own beside them.
MOST_THREADS = MOST_WAITING + 40
# Seconds; of its own accord the queue looks for work a thousand times a second: 9 % of a processor on an idle page.
LOOK_SECONDS = 0.005

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


def address_parts(tabs: Sequence[Tab[Any]] = TABS) -> str:
    """Which parts of the address the browser keeps, for the page's script: those of the tabs, and Play's."""
    return f"window.gvParts = {json.dumps([*(part for tab in tabs for part in tab.kept), autoplay.PART])};"


def theme() -> gr.Theme:
    """System fonts only: the page works with no network."""
    fonts = ["ui-sans-serif", "system-ui", "Segoe UI", "Helvetica Neue", "Arial", "sans-serif"]
    mono = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
    return Base(
        primary_hue="blue", secondary_hue="slate", neutral_hue="slate", radius_size="md", font=fonts, font_mono=mono
    )


def warm_up(*, public: bool) -> None:
    """Have the process that computes load what the first comparison needs: libraries, the bundled analysis' model, and
    what it says of the collection that is searched first. Whoever asks for something meanwhile waits for it.

    Args:
        public: whether all of that comes after everybody's sliders.
    """
    if zerogpu.available():
        # Its functions are forked off this process.
        library_loading.load()

    try:
        process.prepare(STORE.analysis(DEMO).folder, gives_way=public)
    except GapruneError as error:
        # Whoever asks for a comparison is told in its place.
        logging.getLogger(__name__).warning("The first comparison is not prepared: %s", error)
    # What is here now stays: collecting garbage, which holds everybody up, need not look at it again.
    gc.collect()
    gc.freeze()


def check_address(host: str, port: int) -> None:
    """Whether the page can be served there, before anything is built.

    Raises:
        GapruneError: the port is taken or not allowed, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    # A name that is none is not always a matter of the system's.
    except (OSError, UnicodeError) as error:
        raise _not_served(host, port, error) from error


def _not_served(host: str, port: int, error: OSError | UnicodeError) -> GapruneError:
    why = getattr(error, "strerror", None) or error
    return GapruneError(
        f"The page cannot be served at {host}, port {port or 'any'}: {why}. Name another with --host or --port; "
        "--port 0 takes any that is free."
    )


def launch(
    host: str = "127.0.0.1",
    port: int = 7860,
    demo: gr.Blocks | None = None,
    serve: ServeSpec | None = None,
    tabs: Sequence[Tab[Any]] = TABS,
    warm: bool = False,
    **options: Any,
) -> Any:
    """Serve the page.

    Args:
        host: address to listen on.
        port: port to listen on; 0 lets the system choose.
        demo: the page, where it is built already, for the same `serve`.
        serve: whom it is for; None for the defaults of this machine.
        tabs: what it shows; those of `demo`, where that is given.
        warm: whether what the first comparison needs is loaded now; for a public page it always is.
        options: passed on to `gr.Blocks.launch`.

    Raises:
        GapruneError: it cannot be served there.
    """
    check_address(host, port)
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    serve = serve or ServeSpec.here()
    if serve.public or warm:
        # Beside building the page: it loads its libraries in its own process.
        process.ready()
    demo = demo or build(serve, tabs)
    keep_few_events()
    if serve.public or warm:
        threading.Thread(target=warm_up, kwargs={"public": serve.public}, daemon=True).start()
    demo.queue(default_concurrency_limit=8)
    demo._queue.sleep_when_free = LOOK_SECONDS
    try:
        return demo.launch(
            server_name=host,
            server_port=port or None,
            root_path=serve.root_path or None,
            theme=theme(),
            mcp_server=endpoints.mcp_installed() and not serve.public,
            head=style.head() + scripts.head(tour.script(), autoplay.script(), address_parts(tabs)) + _ON_LOAD,
            max_file_size=serve.upload_limit,
            max_threads=MOST_THREADS,
            state_session_capacity=MOST_SESSIONS,
            app_kwargs={
                "exception_handlers": REFUSALS,
                "middleware": [*([(Gate, (), {"spec": serve})] if serve.public else []), (First, (), {})],
            },
            footer_links=["settings"] if serve.public else ["api", "settings"],
            # What went wrong unforeseen may name the server's files: it is in its log.
            show_error=not serve.public,
            **{"quiet": False, **options},
        )
    except OSError as error:
        raise _not_served(host, port, error) from error
