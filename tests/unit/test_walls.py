"""Imports run one way, heavy libraries are loaded where they are used, modules stay small, and errors are named."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gaprune_viz.app.tabs import NAMES
from tests.walls import (
    COMPUTE,
    MAY_IMPORT,
    NEVER,
    PACKAGE,
    circles,
    handlers_of_everything,
    imported_modules,
    made_beside_others,
    name_of,
    package_of,
    room_of,
    violations,
)

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "assets" not in path.relative_to(PACKAGE).parts)
IDS = [path.relative_to(PACKAGE).as_posix() for path in MODULES]
LONGEST = 300  # lines
MOST = 14  # modules in a folder
HALL = {"__init__.py", "__main__.py", "errors.py", "versions.py"}


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


# It runs by itself and imports nothing of the package.
ALONE = {"experiments/frontier/fresh_process.py"}


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_models_are_made_one_at_a_time(path: Path) -> None:
    if path.relative_to(PACKAGE).as_posix() not in ALONE:
        assert list(made_beside_others(path.read_text(encoding="utf-8"))) == []


def test_a_model_made_beside_others_is_seen() -> None:
    assert list(made_beside_others("def f(p):\n    return AutoModel.from_pretrained(p)"))
    assert list(made_beside_others("with open(p) as f:\n    m = SentenceTransformer(str(p))"))
    assert not list(made_beside_others("with plain(), constructing():\n    m = SentenceTransformer(str(p))"))
    assert not list(made_beside_others("c = AutoConfig.from_pretrained(p)\ns = SentenceTransformer(modules=[a])"))


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
