"""The names that the README documents are loaded from the package itself, and lightly."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import gaprune_viz

STUB = Path(gaprune_viz.__file__).with_suffix(".pyi")
NAMES = [name for name in gaprune_viz.__all__ if name != "__version__"]


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_loaded_from_its_home(name: str) -> None:
    found = getattr(gaprune_viz, name)
    home = importlib.import_module(f"gaprune_viz.{gaprune_viz._HOMES[name]}")
    assert found is getattr(home, name)
    assert name in dir(gaprune_viz)
    assert found.__doc__


def test_type_checkers_see_the_same_names() -> None:
    stub = ast.parse(STUB.read_text(encoding="utf-8"))
    told = {
        alias.name: (node.module or "").removeprefix("gaprune_viz.")
        for node in stub.body
        if isinstance(node, ast.ImportFrom) and node.module != "typing"
        for alias in node.names
    }
    assert told == gaprune_viz._HOMES


def test_any_other_name_is_none_of_the_package() -> None:
    with pytest.raises(AttributeError, match="no attribute 'pipeline'"):
        _ = gaprune_viz.pipeline  # type: ignore[attr-defined]
    with pytest.raises(ImportError):
        exec("from gaprune_viz import results")
