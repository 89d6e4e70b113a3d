"""Folders of models that a test changes, and what loading one gives: a model, or one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gaprune_viz.config import ModelSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.loading import load_model

TEXTS = ["water and salt", "the price of a bond"]


def load(folder: Path | str, **fields: object):
    return load_model(ModelSpec.parse({"model": str(folder), "device": "cpu", **fields}))


def refusal(folder: Path) -> str:
    """The one line that loading a folder gives."""
    with pytest.raises(GapruneError) as raised:
        load(folder)
    line = str(raised.value)
    assert "\n" not in line
    assert raised.value.hint
    assert len(raised.value.message) < 300
    return line


def change(path: Path, **values: Any) -> None:
    found = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**found, **values}))
