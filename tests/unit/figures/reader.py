"""What a screen reader says of a page, and a text that would like to be markup."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pandas as pd

HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>"
VOID = {"img", "br", "hr", "input", "meta", "link", "wbr"}


class Reader(HTMLParser):
    """A small tree walk: tags seen, nesting checked, text with and without what is only for screen readers."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.tags: list[str] = []
        self.said: list[str] = []
        self.items: list[dict[str, Any]] = []
        self.feed(html)
        self.close()
        assert not self.open, "a tag is left open"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert tag not in VOID
        assert not any(name.startswith("on") for name, _ in attrs)
        self.open.append((tag, dict(attrs)))
        if tag == "li":
            self.items.append({"said": "", "relevant": dict(attrs).get("data-relevant")})

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1][0] == tag, f"</{tag}> closes nothing"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        # What a screen reader says: everything but what is hidden from it.
        if any(attrs.get("aria-hidden") == "true" for _, attrs in self.open):
            return
        self.said.append(data)
        if any(tag == "li" for tag, _ in self.open):
            self.items[-1]["said"] += f" {data}"


def row_of(table: pd.DataFrame, row: str, columns: list[str]) -> list[Any]:
    """Some cells of one row."""
    return [table.at[row, column] for column in columns]
