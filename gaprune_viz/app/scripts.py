"""The page's own scripts, from `assets/js/page`, each in a scope of its own."""

from __future__ import annotations

from functools import cache

from gaprune_viz.paths import assets


@cache
def head() -> str:
    """A `<script>` element for `launch(head=...)`."""
    from gaprune_viz.app.tour import script

    files = sorted((assets() / "js" / "page").glob("*.js"))
    # Inside a script element a closing tag ends it, in a string too.
    parts = (file.read_text(encoding="utf-8").replace("</", "<\\/") for file in files)
    return f"<script>{script()}\n" + "\n".join(f"(() => {{\n{part}\n}})();" for part in parts) + "</script>"
