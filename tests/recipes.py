"""The recipes of docs/architecture.md, followed to the letter on a copy of the package."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
MOST_LINES = 10


def recipe(title: str) -> list[tuple[str, str, str]]:
    """(`python` or `diff`, path, text) of each block below a heading."""
    text = PAGE.read_text(encoding="utf-8")
    section = re.split(r"^## ", text, flags=re.MULTILINE)
    body = next(part for part in section if part.startswith(f"{title}\n"))
    return re.findall(r"^```(python|diff) (\S+)\n(.*?)^```$", body, flags=re.MULTILINE | re.DOTALL)


def copy_of_the_package(place: Path) -> Path:
    """The package and what it reads, to be changed at will."""
    shutil.copytree(ROOT / "gaprune_viz", place / "gaprune_viz", ignore=shutil.ignore_patterns("__pycache__"))
    (place / "assets").symlink_to(ROOT / "assets")
    return place


def follow(title: str, place: Path) -> None:
    """Do what a recipe says: write its files, and replace the lines of its diffs."""
    for kind, name, text in recipe(title):
        path = place / name
        if kind == "python":
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            continue
        source = path.read_text(encoding="utf-8")
        for old, new in re.findall(r"((?:^-.*\n)+)((?:^\+.*\n)+)", text, flags=re.MULTILINE):
            before, after = ("\n".join(line[1:] for line in part.splitlines()) for part in (old, new))
            assert source.count(before) == 1, f"{name}: {before!r}"
            source = source.replace(before, after)
        path.write_text(source, encoding="utf-8")


def environment(place: Path) -> dict[str, str]:
    """Where the copy is what `import gaprune_viz` finds."""
    return {**os.environ, "PYTHONPATH": str(place)}
