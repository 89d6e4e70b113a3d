"""JSON files that we wrote once. Anybody may have altered them since."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def stored_json(place: Path) -> Any:
    """What a JSON file holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not JSON in UTF-8, or is nested deeper than Python reads.
    """
    try:
        return json.loads(place.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
