"""The page's own scripts, from `assets/js/page`, each in a scope of its own."""

from __future__ import annotations

from functools import cache

from gaprune_viz.paths import assets


@cache
def head() -> str:
    """A `<script>` element for `launch(head=...)`."""
    files = sorted((assets() / "js" / "page").glob("*.js"))
    parts = (file.read_text(encoding="utf-8") for file in files)
    return "<script>" + "\n".join(f"(() => {{\n{part}\n}})();" for part in parts) + "</script>"
