"""Tables for spreadsheets: whatever is in them stays text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gaprune_viz
from gaprune_viz.storage.csv_tables import csv_text, escaped


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "  =1", "＝1", "\r=1"])
def test_a_formula_in_a_table_is_text(text: str) -> None:
    frame = pd.DataFrame({"=name": [text, "plain"], "number": [-1.5, np.nan], "count": [-3, 4]})
    first, row, *_ = csv_text(frame).replace("\r", "").split("\n")
    assert first == "'=name,number,count"
    assert row.lstrip('"').startswith("'")
    assert escaped("-0.25") == "-0.25"
    assert escaped(-1) == -1
    assert csv_text(frame).count("-1.5") == 1


def test_every_table_is_written_by_the_one_that_escapes() -> None:
    package = Path(gaprune_viz.__file__).parent
    users = [path.name for path in package.rglob("*.py") if ".to_csv(" in path.read_text(encoding="utf-8")]
    assert users == ["csv_tables.py"]
