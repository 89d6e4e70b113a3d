"""Tables as CSV that a spreadsheet shows and never runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection), also after blanks.
FORMULA_MARKS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?")


def csv_text(frame: pd.DataFrame) -> str:
    """A table as CSV, texts that begin like a formula marked with an apostrophe; numbers stay numbers."""
    safe = frame.copy()
    for position in range(safe.shape[1]):
        column = safe.iloc[:, position]
        if any(isinstance(value, str) for value in column):
            safe.isetitem(position, [escaped(value) for value in column])
    safe.columns = [escaped(name) for name in frame.columns]
    return safe.to_csv(index=False)


def escaped(value: Any) -> Any:
    """A text that begins like a formula, with an apostrophe before it; anything else as it is."""
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA_MARKS) and not NUMBER.fullmatch(value):
        return f"'{value}"
    return value
