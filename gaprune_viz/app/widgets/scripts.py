"""The page's own scripts, from `assets/js`: those of the whole page, and those of single elements."""

from __future__ import annotations

from functools import cache

from gaprune_viz.storage.paths import assets


@cache
def of_element(*names: str) -> str:
    """The code of one or more `assets/js/NAME.js`, for `gr.HTML(js_on_load=...)`."""
    return "".join((assets() / "js" / f"{name}.js").read_text(encoding="utf-8") for name in names)


def head(*before: str) -> str:
    """A `<script>` element for `launch(head=...)`: the scripts of `assets/js/page`, each in a scope of its own.

    Args:
        before: what comes first, such as values that the scripts read.
    """
    return _script("page", *before)


def first() -> str:
    """A `<script>` element with the scripts of `assets/js/first`, for the head of the page as it is sent."""
    return _script("first")


def _script(folder: str, *before: str) -> str:
    files = sorted((assets() / "js" / folder).glob("*.js"))
    # Inside a script element a closing tag ends it, in a string too.
    parts = (file.read_text(encoding="utf-8").replace("</", "<\\/") for file in files)
    whole = "\n".join([*before, *(f"(() => {{\n{part}\n}})();" for part in parts)])
    return f"<script>{whole}</script>"
