"""Passages that are more than a text: {"title", "text"}, {"docid", "title", "text"}, {"contents"}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TEXTS = ("text", "contents", "content")
"""What the text of a passage is called: by BEIR, Tevatron and DPR, and by Pyserini."""


def passage(value: Any) -> Any:
    """The text of a passage, its title before it as in BEIR; what holds no text is given back as it is."""
    if not isinstance(value, Mapping):
        return value
    text = next((value[name] for name in TEXTS if isinstance(value.get(name), str)), None)
    if text is None:
        return value
    title = value.get("title")
    return passage_text(title, text) if isinstance(title, str) else text


def passages(value: Any) -> list[Any]:
    """The texts of one passage or of a list of passages."""
    return [passage(item) for item in value] if isinstance(value, (list, tuple)) else [passage(value)]


def passage_text(title: str, text: str) -> str:
    """What is embedded for a passage: its title, a space, its text."""
    return f"{title} {text}".strip()
