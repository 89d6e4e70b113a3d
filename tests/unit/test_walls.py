"""The walls between the rooms of the package: which imports are allowed, and what stays small and plain."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "gaprune_viz"
FILES = sorted((ROOT / PACKAGE).rglob("*.py"))
IDS = [str(path.relative_to(ROOT)) for path in FILES]

BASE = frozenset({"config", "errors", "paths", "workspace", "__init__"})
LIBRARY = BASE | {"core", "data"}
MIDDLE = LIBRARY | {"evaluation", "figures"}
COMPOSITION = MIDDLE | {"pipeline", "results"}
# Room -> the other rooms it may import from. A module lying directly in the package is a room of its own.
MAY_IMPORT: dict[str, frozenset[str]] = {
    "__init__": frozenset(),
    "errors": frozenset(),
    "paths": frozenset(),
    "config": frozenset({"errors"}),
    "workspace": frozenset({"errors", "config", "paths"}),
    "core": BASE,
    "data": BASE,
    "figures": LIBRARY,
    "evaluation": LIBRARY,
    "pipeline": MIDDLE,
    "results": MIDDLE | {"pipeline"},
    "app": COMPOSITION,
    "cli": COMPOSITION | {"app"},
    "__main__": frozenset({"cli"}),
}
# Nowhere in these rooms, not even inside a function.
NEVER = {
    "core": frozenset({"gradio", "plotly", "pandas", "mteb", "datasets"}),
    "data": frozenset({"gradio", "plotly", "mteb"}),
    "evaluation": frozenset({"gradio", "plotly"}),
    "figures": frozenset({"torch", "gradio"}),
}
# Only inside the function that first needs them.
LATE = frozenset({"datasets", "mteb", "pytrec_eval", "scipy", "sentence_transformers", "sklearn", "transformers"})
# The entries of the package must be quick: not even through a module that they import.
LIGHT = frozenset({"__init__", "__main__", "cli", "config", "errors", "paths", "workspace"})
HEAVY = frozenset({"torch", "gradio", "pandas", "plotly"})

LONGEST_MODULE = 400
# config.py is one long list of fields, each with its bounds and its help.
LONGER = {"gaprune_viz/config.py": 520}
WHY_EVERYTHING = "# everything:"


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module."""

    name: str
    line: int
    late: bool
    typing_only: bool


def room_of(module: str) -> str:
    """`gaprune_viz.core.masking` -> `core`; `gaprune_viz` -> `__init__`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def module_of(path: Path) -> str:
    """The dotted name of a file, `__init__` and `__main__` included."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


def imports_of(source: str, package: str) -> Iterator[Import]:
    """Every import of a module's source: statements, also inside functions, and import_module with a fixed name.

    Args:
        source: Python text.
        package: dotted name of the package that the module lies in, for relative imports.
    """
    yield from _imports_in(ast.parse(source), package, late=False, typing_only=False)


def _imports_in(node: ast.AST, package: str, *, late: bool, typing_only: bool) -> Iterator[Import]:
    for name in _names(node, package):
        yield Import(name, getattr(node, "lineno", 0), late, typing_only)
    late = late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for child in node.body:
            yield from _imports_in(child, package, late=late, typing_only=True)
        rest: list[ast.AST] = list(node.orelse)
    else:
        rest = list(ast.iter_child_nodes(node))
    for child in rest:
        yield from _imports_in(child, package, late=late, typing_only=typing_only)


def _names(node: ast.AST, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        parts = package.split(".")
        home = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
        module = ".".join(part for part in (home, node.module or "") if part)
        # `from gaprune_viz import cli` names a room only through its alias.
        return [f"{module}.{alias.name}" for alias in node.names] if module == PACKAGE else [module]
    if isinstance(node, ast.Call) and ast.unparse(node.func).rsplit(".", 1)[-1] in {"import_module", "__import__"}:
        return [a.value for a in node.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    return []


def breaches(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """One line for each import that goes through a wall."""
    room = room_of(module)
    if room not in MAY_IMPORT:
        return [f"{module}: no room in the design. Put it into one, or add it to MAY_IMPORT."]
    package = module if is_package else module.rpartition(".")[0]
    lines = []
    for found in imports_of(source, package):
        top = found.name.split(".")[0]
        if top == PACKAGE:
            other = room_of(found.name)
            # `from gaprune_viz import __version__` is a name of the package itself.
            other = other if other in MAY_IMPORT else "__init__"
            if other not in {room, "__init__"} and other not in MAY_IMPORT[room]:
                lines.append(f"{module}:{found.line} imports {found.name}: {room} may not import {other}")
        elif top in NEVER.get(room, ()):
            lines.append(f"{module}:{found.line} imports {found.name}: never in {room}")
        elif not found.late and not found.typing_only and (top in LATE or (room in LIGHT and top in HEAVY)):
            lines.append(f"{module}:{found.line} imports {found.name} at the top: import it where it is first used")
    return lines


def unexplained_broad_excepts(source: str) -> list[int]:
    """Lines of `except:`, `except Exception` and `except BaseException` without a comment that says why."""
    text = source.splitlines()
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            broad = any(k is None or ast.unparse(k).split(".")[-1] in {"Exception", "BaseException"} for k in kinds)
            if broad and not any(WHY_EVERYTHING in line for line in text[node.lineno - 2 : node.lineno]):
                found.append(node.lineno)
    return sorted(found)


def test_there_is_something_to_look_at() -> None:
    assert {"gaprune_viz/config.py", "gaprune_viz/cli.py", "gaprune_viz/core/masking.py"} <= set(IDS)


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_imports_keep_the_walls(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert breaches(source, module_of(path), is_package=path.name == "__init__.py") == []


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_modules_are_short(path: Path) -> None:
    limit = LONGER.get(str(path.relative_to(ROOT)), LONGEST_MODULE)
    assert len(path.read_text(encoding="utf-8").splitlines()) <= limit


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_broad_excepts_say_why(path: Path) -> None:
    assert unexplained_broad_excepts(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("gaprune_viz.core.x", "import gradio as gr"),
        ("gaprune_viz.core.x", "def f():\n    from pandas import DataFrame"),
        ("gaprune_viz.core.x", "from importlib import import_module\nimport_module('plotly.graph_objects')"),
        ("gaprune_viz.core.x", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import datasets"),
        ("gaprune_viz.core.x", "from gaprune_viz.data.triplets import Triplet"),
        ("gaprune_viz.core.x", "from gaprune_viz import cli"),
        ("gaprune_viz.core.x", "from ..figures import scales"),
        ("gaprune_viz.core.x", "import transformers"),
        ("gaprune_viz.core.x", "class A:\n    import sklearn"),
        ("gaprune_viz.data.x", "from gaprune_viz.core import masking"),
        ("gaprune_viz.figures.x", "class A:\n    def f(self):\n        import torch"),
        ("gaprune_viz.figures.x", "from gaprune_viz.evaluation.retrieval import Comparison"),
        ("gaprune_viz.evaluation.x", "from gaprune_viz.figures import scales"),
        ("gaprune_viz.pipeline", "from gaprune_viz.app import build"),
        ("gaprune_viz.config", "from gaprune_viz.core.scoring import CRITERIA"),
        ("gaprune_viz.cli", "import torch"),
        ("gaprune_viz.elsewhere", ""),
    ],
)
def test_a_breach_is_seen(module: str, source: str) -> None:
    assert len(breaches(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("gaprune_viz.core.x", "import torch\nfrom gaprune_viz.core.masking import make_masks"),
        ("gaprune_viz.core.x", "def f():\n    import transformers"),
        ("gaprune_viz.core.x", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import transformers"),
        ("gaprune_viz.core.x", "from .masking import make_masks\nfrom ..config import MaskSpec"),
        ("gaprune_viz.figures.x", "import plotly.graph_objects as go\nimport pandas as pd"),
        ("gaprune_viz.cli", "def f():\n    import torch\n    from gaprune_viz.app import launch"),
        ("gaprune_viz.pipeline", "from gaprune_viz import __version__"),
    ],
)
def test_what_is_allowed_is_not_a_breach(module: str, source: str) -> None:
    assert breaches(source, module) == []


def test_an_unexplained_broad_except_is_seen() -> None:
    source = """
try:
    pass
except Exception:
    pass
try:
    pass
except (ValueError, builtins.BaseException):
    pass
try:
    pass
except:
    pass
try:
    pass
except Exception:  # everything: a plug-in may raise what it likes
    pass
try:
    pass
# everything: it is raised again elsewhere
except BaseException:
    pass
try:
    pass
except ValueError:
    pass
"""
    assert unexplained_broad_excepts(source) == [4, 8, 12]


def loaded_after(code: str, *arguments: str) -> set[str]:
    """Top-level modules loaded in a fresh interpreter after some code ran."""
    report = f"import atexit, json, sys\natexit.register(lambda: print('\\n' + json.dumps(list(sys.modules))))\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", report, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_the_package_and_the_help_load_neither_torch_nor_gradio() -> None:
    heavy = HEAVY | LATE | {"numpy"}
    assert not heavy & loaded_after("import gaprune_viz")
    run_help = "import runpy\nrunpy.run_module('gaprune_viz', run_name='__main__', alter_sys=True)"
    loaded = loaded_after(f"import sys\nsys.argv = ['gaprune-viz', '--help']\n{run_help}")
    assert {"gaprune_viz", "typer"} <= loaded
    assert not heavy & loaded


@pytest.mark.parametrize(
    ("room", "banned"),
    [
        ("core", NEVER["core"] | LATE),
        ("data", NEVER["data"] | LATE),
        ("figures", NEVER["figures"] | LATE),
        ("evaluation", NEVER["evaluation"] | LATE),
    ],
)
def test_a_room_does_not_load_through_others_what_it_may_not_import(room: str, banned: frozenset[str]) -> None:
    modules = [module_of(path) for path in FILES if path.parent == ROOT / PACKAGE / room]
    assert modules
    code = "import importlib\n" + "\n".join(f"importlib.import_module({name!r})" for name in modules)
    assert not banned & loaded_after(code)
