"""How the page's events are connected, as gradio was told."""

from __future__ import annotations

import gradio as gr

from gaprune_viz.app.page import build


def test_the_page_builds_with_every_handler_wired() -> None:
    demo = build()
    assert len(demo.fns) > 30


def test_what_a_tab_shows_at_once_waits_for_nothing_that_takes_long() -> None:
    """Gradio asks for all that one press brings in the order in which it was connected, each after the one before."""
    demo = build()
    tabs = {number: block for number, block in demo.blocks.items() if isinstance(block, gr.TabItem)}
    order: dict[int, list[bool]] = {number: [] for number in tabs}
    for dependency in demo.get_config_file()["dependencies"]:
        for number, event in dependency["targets"]:
            if event == "select" and number in tabs:
                order[number].append(dependency["types"]["generator"])
    assert any(True in steps for steps in order.values())
    for number, steps in order.items():
        assert steps == sorted(steps), (
            f"{tabs[number].label}: what comes step by step is connected before what does not"
        )
