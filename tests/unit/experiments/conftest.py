"""What the tests of experiments share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.beir_folders import write_beir


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    place = tmp_path_factory.mktemp("tasks")
    return str(write_beir(place / "near", 0)), str(write_beir(place / "far", 3))


@pytest.fixture
def analysis(tiny_analysis: Path, tmp_path: Path) -> Path:
    """An own copy: a sweep writes into the folder."""
    return Path(shutil.copytree(tiny_analysis, tmp_path / "analysis"))
