"""What the project's own files say about each other."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import gaprune_viz
from gaprune_viz.models.sources import DEFAULT_PACKAGE
from gaprune_viz.storage.paths import assets

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
APACHE_2_0_SHA256 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def lines_of(name: str) -> list[str]:
    """The lines of a file that are not comments."""
    lines = (line.strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    """Package -> exact version in constraints.txt."""
    pinned = dict(line.split("==") for line in lines_of("constraints.txt"))
    return {canonicalize_name(name): version for name, version in pinned.items()}


@pytest.fixture(scope="module")
def front_matter() -> dict[str, object]:
    """The settings of the Hugging Face Space, at the top of README.md."""
    return yaml.safe_load((ROOT / "README.md").read_text(encoding="utf-8").split("---\n")[1])


def test_requirements_are_the_dependencies() -> None:
    assert lines_of("requirements.txt") == PROJECT["dependencies"]


def test_every_dependency_is_pinned_within_its_range(pins: dict[str, str]) -> None:
    wanted = [
        *PROJECT["dependencies"],
        *(line for extra in PROJECT["optional-dependencies"].values() for line in extra),
    ]
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


def test_pins_are_plain(pins: dict[str, str]) -> None:
    assert pins["torch"] == "2.13.0"
    assert "gaprune-viz" not in pins
    assert all(re.fullmatch(r"[\d.]+(post\d+)?", version) for version in pins.values())


def test_this_environment_is_the_pinned_one(pins: dict[str, str]) -> None:
    for name in (Requirement(line).name for line in PROJECT["dependencies"]):
        installed = importlib.metadata.version(name).split("+")[0]
        assert installed == pins[canonicalize_name(name)], name


def test_every_imported_package_is_a_dependency() -> None:
    extras = PROJECT["optional-dependencies"]
    optional = {
        Requirement(line).name for name in ("ontologies", "excel", "peft", "dask", "ray") for line in extras[name]
    }
    declared = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    declared |= {canonicalize_name(name) for name in optional}
    # pydantic's own core is pinned by pydantic, and mixed in with its public names; tokenizers is part of transformers.
    declared |= {"pydantic-core", "tokenizers"}
    owners = importlib.metadata.packages_distributions()
    for path in (ROOT / "gaprune_viz").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for top in {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"gaprune_viz"}:
                found = {canonicalize_name(owner) for owner in owners.get(top, [top])}
                assert found & declared, f"{path.name} imports {top}"


def test_the_space_runs_what_is_tested(pins: dict[str, str], front_matter: dict[str, object]) -> None:
    assert front_matter["sdk"] == "gradio"
    assert front_matter["sdk_version"] == pins["gradio"]
    assert front_matter["app_file"] == "app.py"
    assert (ROOT / "app.py").is_file()
    assert f">={front_matter['python_version']}" == PROJECT["requires-python"]
    assert str(front_matter["license"]).lower() == PROJECT["license"].lower()
    assert 10 < len(str(front_matter["short_description"])) <= 60


def test_app_py_is_an_entry_and_no_more() -> None:
    assert len((ROOT / "app.py").read_text(encoding="utf-8").splitlines()) <= 30


def test_the_licences_are_whole() -> None:
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2_0_SHA256
    assert "SPDX-License-Identifier: CC0-1.0" in (ROOT / "assets" / "starter" / "LICENSE").read_text(encoding="utf-8")
    assert all((ROOT / name).is_file() for name in PROJECT["license-files"])


def test_the_default_model_is_a_dependency() -> None:
    package = canonicalize_name(DEFAULT_PACKAGE)
    pinned = {canonicalize_name(r.name): str(r.specifier) for r in map(Requirement, PROJECT["dependencies"])}
    assert pinned[package] == "==0.1.0"


def test_one_version_and_one_command() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", gaprune_viz.__version__)
    assert PROJECT["dynamic"] == ["version"]
    assert PROJECT["scripts"] == {"gaprune-viz": "gaprune_viz.cli:main"}


def test_assets_are_found() -> None:
    assert {"chemistry.jsonl", "finance.jsonl", "general.jsonl"} <= {f.name for f in (assets() / "starter").iterdir()}


@pytest.mark.parametrize(
    "target", ["chaos", "load", "soak", "fuzz", "run", "test", "check", "bench", "screenshots", "clean", ".venv"]
)
def test_make_explains_its_targets(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{re.escape(target)}:[^\n]*## \w", makefile, flags=re.MULTILINE)


def test_the_readme_points_to_files_that_are_there() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    links = {link for link in re.findall(r"\]\(([^)#]+)\)", readme) if "://" not in link}
    assert "LICENSE" in links
    missing = [link for link in links if not (ROOT / link).exists()]
    assert missing == []


def test_each_dependency_is_justified() -> None:
    rows = re.findall(r"^\| ([\w-]+) \| \S.+ \| \S.+ \|$", (ROOT / "docs" / "dependencies.md").read_text(), flags=re.M)
    assert sorted(set(rows) - {"package"}) == sorted(Requirement(line).name for line in PROJECT["dependencies"])
