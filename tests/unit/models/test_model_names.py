"""What a model is called: folders of the Hub's cache, names offline, revisions."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gaprune_viz.config import ModelSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.files.hub_cache import entry_name, snapshot_in
from gaprune_viz.models.sources import name_and_revision, resolve_source
from tests.unit.models.folders import load

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "89abcdef0123456789abcdef0123456789abcdef"


@pytest.fixture
def cached(tiny_bert: Path, tmp_path: Path) -> Path:
    """A cache of the Hub with one model in it, of two commits."""
    entry = tmp_path / "hub" / "models--some-org--tiny-model"
    for commit in (COMMIT, OTHER):
        shutil.copytree(tiny_bert, entry / "snapshots" / commit)
    (entry / "refs").mkdir()
    (entry / "refs" / "main").write_text(COMMIT)
    return entry


def test_a_folder_of_the_hubs_cache(cached: Path) -> None:
    model = load(cached)
    assert Path(model.source).name == COMMIT
    assert model.label == "tiny-model"
    assert entry_name(Path(model.source)) == "some-org/tiny-model"
    assert entry_name(cached) == "some-org/tiny-model"
    assert Path(load(cached, revision=OTHER[:8]).source).name == OTHER
    assert Path(load(f"{cached}@{OTHER}").source).name == OTHER
    assert load(cached / "snapshots" / OTHER).label == "tiny-model"
    with pytest.raises(GapruneError, match="holds 2 snapshots, none of them of 'v2'"):
        snapshot_in(cached, "v2")
    assert entry_name(cached.parent) is None


def test_a_cached_model_by_its_name_offline(cached: Path) -> None:
    """In a process of its own: the place of the cache is read once."""
    script = (
        "from gaprune_viz.config import ModelSpec\n"
        "from gaprune_viz.models.loading import load_model\n"
        "import sys\n"
        "for name in sys.argv[1:]:\n"
        "    spec = ModelSpec(model=name, device='cpu', query_prompt='', passage_prompt='')\n"
        "    model = load_model(spec)\n"
        "    print(model.label, model.source, len(model.encode(['water'])))\n"
    )
    import os

    environment = {**os.environ, "HF_HUB_CACHE": str(cached.parent), "HF_HUB_OFFLINE": "1"}
    names = ("some-org/tiny-model", f"some-org/tiny-model@{OTHER}", "some-org/tiny-model@main")
    done = subprocess.run(
        [sys.executable, "-c", script, *names], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.splitlines() == ["tiny-model some-org/tiny-model 1"] * len(names), done.stderr


def test_a_revision_in_the_name() -> None:
    def split(**fields: Any) -> tuple[str, str | None]:
        return name_and_revision(ModelSpec(**fields))

    assert split(model="org/name@v1.0") == ("org/name", "v1.0")
    assert split(model="org/name@v1.0", revision="v1.0") == ("org/name", "v1.0")
    assert split(model="org/name", revision="v2") == ("org/name", "v2")
    assert split(model="default") == ("default", None)
    assert split(model="org/name@") == ("org/name@", None)
    with pytest.raises(GapruneError, match=r"Two revisions are given, v1\.0 in the name and v2"):
        split(model="org/name@v1.0", revision="v2")
    with pytest.raises(GapruneError, match="There is no model folder"):
        resolve_source("org/name@")


def test_a_folder_with_an_at_sign(tiny_bert: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_bert, tmp_path / "model@home")
    assert load(folder).label == "model@home"
