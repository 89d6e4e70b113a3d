"""Pages that tests serve, and their end."""

from __future__ import annotations

import sys
from collections.abc import Callable

LASTING: set[str] = set()
"""Addresses of those that serve more than one file of tests."""

ELSEWHERE: list[Callable[[], None]] = []
"""What is done before tests that are not the browser's."""


def close_servers() -> None:
    """End every other one: as long as it is served, a page takes memory, and some of a processor for its clocks."""
    blocks = sys.modules.get("gradio.blocks")
    if blocks is None:
        return
    for demo in blocks.Blocks.get_instances():
        if demo.is_running and demo.local_url not in LASTING:
            demo.close(verbose=False)
