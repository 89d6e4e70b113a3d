"""Entry for `python app.py` and for Hugging Face Spaces: the command `gaprune-viz app`, whose flags it takes."""

from __future__ import annotations

import sys

from gaprune_viz import cli


def main() -> None:
    """Serve the page at --host and --port, or at GRADIO_SERVER_NAME and GRADIO_SERVER_PORT (or PORT)."""
    sys.argv[1:1] = ["app"]
    cli.main()


if __name__ == "__main__":
    main()
