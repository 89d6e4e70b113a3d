"""Imports run one way, heavy libraries are loaded where they are used, modules stay small, and errors are named."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import gaprune_viz
from gaprune_viz.app.tabs import NAMES

PACKAGE = Path(gaprune_viz.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "assets" not in path.relative_to(PACKAGE).parts)
IDS = [path.relative_to(PACKAGE).as_posix() for path in MODULES]
LONGEST = 300  # lines
MOST = 14  # modules in a folder
HALL = {"__init__.py", "__main__.py", "errors.py", "versions.py"}

# From the top of the house down: a room imports those below it, and what stands beside it not at all.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("app",),
    ("jobs",),
    ("experiments",),
    ("evaluation",),
    ("pruning",),
    ("analysis",),
    ("sketch",),
    ("masking",),
    ("criteria",),
    ("calibration",),
    ("data", "models"),
    ("storage",),
    ("figures",),
    ("config",),
    ("errors",),
)
# Whoever shows something to people; who computes never draws.
DRAW = {"cli", "app", "experiments", "figures"}
HEAVY = {"gradio", "plotly", "pandas", "mteb", "datasets"}
COMPUTE = ("sketch", "masking", "criteria", "calibration", "models")


def _allowed(room: str, floor: int) -> set[str]:
    below = {other for rooms in FLOORS[floor + 1 :] for other in rooms} | {"versions"}
    return {room, *below} - (set() if room in DRAW else {"figures"})


MAY_IMPORT: dict[str, set[str]] = {room: _allowed(room, i) for i, rooms in enumerate(FLOORS) for room in rooms}
MAY_IMPORT |= {
    "": set(),
    "__main__": {"cli"},
    "errors": set(),
    "versions": {""},
    "figures": {"figures", "config", "errors"},
}
NEVER: dict[str, set[str]] = {
    **{room: {"gradio"} for room in MAY_IMPORT if room != "app"},
    **dict.fromkeys(COMPUTE, HEAVY),
    "figures": {"torch", "gradio"},
}
ONLY_INSIDE_FUNCTIONS = {
    "accelerate",
    "datasets",
    "mteb",
    "pytrec_eval",
    "scipy",
    "sentence_transformers",
    "sklearn",
    "transformers",
}


@dataclass(frozen=True)
class Import:
    """One imported name, and where it is imported."""

    name: str
    line: int
    typing_only: bool
    inside_function: bool


class Imports(ast.NodeVisitor):
    """Collect all imports of a module: statements at any depth, and calls with a literal name."""

    def __init__(self, package: str) -> None:
        self.package, self.found = package, list[Import]()
        self.typing_only = self.inside_function = False

    def visit_If(self, node: ast.If) -> None:
        before = self.typing_only
        self.typing_only = before or ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for child in node.body:
            self.visit(child)
        self.typing_only = before
        for child in node.orelse:
            self.visit(child)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        before, self.inside_function = self.inside_function, True
        self.generic_visit(node)
        self.inside_function = before

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            parents = self.package.split(".")
            base = ".".join([*parents[: len(parents) - node.level + 1], *([base] if base else [])])
        for alias in node.names:
            self._add(f"{base}.{alias.name}", node.lineno)

    def visit_Call(self, node: ast.Call) -> None:
        called = ast.unparse(node.func)
        if called in ("__import__", "import_module", "importlib.import_module") and node.args:
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                self._add(name.value, node.lineno)
        self.generic_visit(node)

    def _add(self, name: str, line: int) -> None:
        self.found.append(Import(name, line, self.typing_only, self.inside_function))


def imports(source: str, package: str) -> list[Import]:
    """All imports of a source text, relative ones made absolute."""
    visitor = Imports(package)
    visitor.visit(ast.parse(source))
    return visitor.found


def room_of(path: Path) -> str:
    """The room that a module of the package belongs to."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def imported_room(name: str) -> str | None:
    """The room behind an imported name; None for what is not ours."""
    parts = name.split(".")
    if parts[0] != "gaprune_viz":
        return None
    return parts[1] if len(parts) > 1 and parts[1] in MAY_IMPORT else ""


def violations(source: str, room: str, package: str = "gaprune_viz") -> Iterator[str]:
    """What a module of a room imports against the rules, one line each."""
    for found in imports(source, package):
        top, ours = found.name.split(".")[0], imported_room(found.name)
        where = f"line {found.line}: {found.name}"
        if ours is not None and ours not in MAY_IMPORT[room]:
            yield f"{where}: {room or 'the package'} may not import {ours or 'the package'}"
        if top in NEVER.get(room, set()):
            yield f"{where}: {room or 'the package'} never imports {top}"
        if top in ONLY_INSIDE_FUNCTIONS and not (found.inside_function or found.typing_only):
            yield f"{where}: {top} is imported inside the function that uses it"


def handlers_of_everything(source: str) -> Iterator[str]:
    """`except:`, `except Exception` and `except BaseException`, alone or in a tuple, one line each.

    The one exception is a thread's outermost handler, which does nothing but hand the error on whole.
    """
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ExceptHandler) or hands_on(node):
            continue
        kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        for kind in kinds:
            name = "everything" if kind is None else ast.unparse(kind)
            if name in ("everything", "Exception", "BaseException"):
                yield f"line {node.lineno}: catches {name}"


def hands_on(handler: ast.ExceptHandler) -> bool:
    """Whether all that a handler does is to pass the caught error to one call, as in `failure.append(error)`."""
    body = handler.body[0]
    if len(handler.body) != 1 or not isinstance(body, ast.Expr) or not isinstance(body.value, ast.Call):
        return False
    return [ast.unparse(argument) for argument in body.value.args] == [handler.name]


def name_of(path: Path) -> str:
    """The dotted name of a module of the package."""
    parts = ["gaprune_viz", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts).removesuffix(".__init__")


def package_of(path: Path) -> str:
    return ".".join(["gaprune_viz", *path.relative_to(PACKAGE).parts[:-1]])


def imported_modules(source: str, package: str, known: Collection[str]) -> set[str]:
    """The modules that a source imports, wherever and whatever for: a name for the type checker counts."""
    names = {found.name for found in imports(source, package)}
    return {name if name in known else name.rpartition(".")[0] for name in names} & set(known)


def circles(arrows: Mapping[str, set[str]]) -> list[list[str]]:
    """Modules that import each other, directly or through others (strongly connected parts of more than one)."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    names = sorted(arrows)
    grid = np.array([[other in arrows[name] and other != name for other in names] for name in names], dtype=np.int8)
    _, labels = connected_components(csr_array(grid), directed=True, connection="strong")
    found: dict[int, list[str]] = {}
    for name, label in zip(names, labels.tolist(), strict=True):
        found.setdefault(label, []).append(name)
    return [part for part in found.values() if len(part) > 1]


def test_nothing_imports_in_a_circle() -> None:
    known = {name_of(path) for path in MODULES}
    arrows = {name_of(p): imported_modules(p.read_text(encoding="utf-8"), package_of(p), known) for p in MODULES}
    # The list of the tabs imports them by the names of their folders.
    arrows["gaprune_viz.app.tabs"] |= {f"gaprune_viz.app.tabs.{name}" for name in NAMES}
    assert circles(arrows) == []


def test_a_circle_is_seen() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    typed = "if TYPE_CHECKING:\n    from gaprune_viz.app.page import Page"
    assert imported_modules(typed, "gaprune_viz.app", {"gaprune_viz.app.page"}) == {"gaprune_viz.app.page"}


def test_nothing_lies_loose_in_the_hall() -> None:
    assert {path.name for path in PACKAGE.glob("*.py")} == HALL


FOLDERS = sorted({path.parent for path in MODULES})


@pytest.mark.parametrize("folder", FOLDERS, ids=[f.relative_to(PACKAGE).as_posix() for f in FOLDERS])
def test_a_room_is_small_and_says_what_it_is(folder: Path) -> None:
    inside = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(inside) <= MOST
    assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    assert list(violations(path.read_text(encoding="utf-8"), room_of(path), package_of(path))) == []


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_a_module_is_one_idea(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_an_error_is_caught_by_its_name(path: Path) -> None:
    assert list(handlers_of_everything(path.read_text(encoding="utf-8"))) == []


def test_every_module_has_a_room() -> None:
    assert {room_of(path) for path in MODULES} == set(MAY_IMPORT)


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("calibration", "def f():\n    import pandas as pd"),
        ("sketch", "def f():\n    importlib.import_module('mteb')"),
        ("models", "from ..data import triplets"),
        ("calibration", "from gaprune_viz.criteria import alignment"),
        ("criteria", "from gaprune_viz.analysis import making"),
        ("data", "from gaprune_viz.models.encoder import EmbeddingModel"),
        ("data", "if TYPE_CHECKING:\n    from gaprune_viz.models.encoder import EmbeddingModel"),
        ("storage", "from gaprune_viz.figures.kit import scales"),
        ("figures", "def f():\n    from torch import nn"),
        ("figures", "from gaprune_viz.storage.paths import assets"),
        ("figures", "if TYPE_CHECKING:\n    from gaprune_viz.evaluation.retrieval import Comparison"),
        ("analysis", "from gaprune_viz.pruning.export import prune"),
        ("jobs", "from gaprune_viz.app.session import access"),
        ("jobs", "import gradio as gr"),
        ("app", "import gaprune_viz.cli"),
        ("app", "from gaprune_viz import analyze"),
        ("config", "import gaprune_viz.models"),
        ("evaluation", "import scipy.stats"),
        ("evaluation", "from gaprune_viz.figures.kit import panels"),
        ("cli", "if TYPE_CHECKING:\n    pass\nelse:\n    import transformers"),
    ],
)
def test_a_broken_wall_is_seen(room: str, source: str) -> None:
    assert len(list(violations(source, room, f"gaprune_viz.{room}"))) == 1


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("data", "from gaprune_viz.storage.workspace import workspace"),
        ("evaluation", "def f():\n    import scipy.stats"),
        ("versions", "from gaprune_viz import __version__"),
        ("analysis", "from gaprune_viz.versions import versions"),
        ("models", "from .targets import Target\nfrom ..config import Scope"),
        ("experiments", "from gaprune_viz.figures.experiments import study"),
        ("app", "import gradio as gr"),
    ],
)
def test_a_door_is_open(room: str, source: str) -> None:
    assert list(violations(source, room, f"gaprune_viz.{room}")) == []


@pytest.mark.parametrize("clause", ["except:", "except Exception:", "except (OSError, Exception) as e:"])
@pytest.mark.parametrize("body", ["pass", "log(str(e))", "log(e)\n    return None"])
def test_a_broad_handler_is_seen(clause: str, body: str) -> None:
    assert len(list(handlers_of_everything(f"try:\n    f()\n{clause}\n    {body}"))) == 1


def test_a_named_handler_and_one_that_hands_the_error_on_pass() -> None:
    assert list(handlers_of_everything("try:\n    f()\nexcept (OSError, ValueError):\n    pass")) == []
    assert list(handlers_of_everything("try:\n    f()\nexcept BaseException as e:\n    failure.append(e)")) == []


def loaded_after(code: str, wanted: set[str]) -> set[str]:
    """Which of some libraries a fresh interpreter has loaded after running some code."""
    report = (
        f"import json, sys; print(json.dumps([n for n in {sorted(wanted)!r} if n in sys.modules]), file=sys.stderr)"
    )
    script = f"import atexit\n@atexit.register\ndef report():\n    {report}\n{code}"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_the_probe_sees_what_is_loaded() -> None:
    assert loaded_after("import gaprune_viz.calibration.contrastive", {"torch", "gradio"}) == {"torch"}


def test_importing_the_package_is_light() -> None:
    assert loaded_after("import gaprune_viz", {"torch", "gradio", "numpy", "pandas", "transformers"}) == set()


def test_help_is_light() -> None:
    code = (
        "import sys, runpy\nsys.argv = ['gaprune-viz', '--help']\n"
        "try:\n    runpy.run_module('gaprune_viz', run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code, end.code"
    )
    assert loaded_after(code, {"torch", "gradio", "pandas", "transformers", "typer"}) == {"typer"}


@pytest.mark.parametrize("room", [*COMPUTE, "figures"])
def test_a_room_loads_nothing_forbidden_through_others(room: str) -> None:
    names = [name_of(path) for path in MODULES if room_of(path) == room]
    assert loaded_after("\n".join(f"import {name}" for name in names), NEVER[room]) == set()
