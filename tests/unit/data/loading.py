"""One file as a test writes it: loaded, or refused in a line that begins with its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gaprune_viz.data.schema import Triplet, TripletSet
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.errors import GapruneError

GOOD = [{"query": "a", "positive": "b", "negative": "c"}, {"query": "d", "positive": "e", "negatives": ["f", "g"]}]
AS_TRIPLETS = (Triplet("a", "b", ("c",)), Triplet("d", "e", ("f", "g")))
LINE = json.dumps(GOOD[0])


def load(path: Path, content: str | bytes, columns: dict[str, str] | None = None) -> TripletSet:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_triplets(str(path), columns=columns)


def refused(path: Path, content: str | bytes, columns: dict[str, str] | None = None) -> GapruneError:
    with pytest.raises(GapruneError) as caught:
        load(path, content, columns)
    assert caught.value.message.startswith(path.name)
    assert caught.value.hint
    return caught.value


def write_parquet(path: Path, table: dict[str, Any]) -> str:
    pq.write_table(pa.table(table), path)
    return str(path)
