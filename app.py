"""Entry for `python app.py` and for Hugging Face Spaces."""

from __future__ import annotations

import argparse
import os

from gaprune_viz.jobs import threads

threads.settle()  # Before anything loads a library that computes.

from gaprune_viz.app import build, launch  # noqa: E402
from gaprune_viz.config import ServeSpec  # noqa: E402


def main() -> None:
    """Serve the page at --host and --port, or at GRADIO_SERVER_NAME and GRADIO_SERVER_PORT (or PORT)."""
    host = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
    port = os.environ.get("GRADIO_SERVER_PORT") or os.environ.get("PORT") or "7860"
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--host", default=host, help="address to listen on")
    parser.add_argument("--port", type=int, default=int(port), help="port to listen on")
    parser.add_argument("--public", action="store_true", help="serve strangers, as on Spaces; see docs/deploy.md")
    arguments = parser.parse_args()
    serve = ServeSpec.here(**({"public": True} if arguments.public else {}))
    launch(host=arguments.host, port=arguments.port, demo=build(serve), serve=serve, warm=True)


if __name__ == "__main__":
    main()
