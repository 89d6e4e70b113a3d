"""Twenty people move sliders while something heavy computes: their p95 beside that of one person on an idle page."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.reliability.load import BESIDE, Served, measure
from tests.tiny_models import build

TARGET = 2.0


def main() -> None:
    """Measure, and print one JSON object or a line for each kind of work."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--moves", type=int, default=15, help="of each")
    parser.add_argument("--kinds", nargs="*", choices=list(BESIDE), default=["analysis", "retrieval", "retraining"])
    options = parser.parse_args()
    found: dict[str, Any] = {"benchmark": "crowd", "load_average": os.getloadavg()[0], "target": TARGET, "kinds": {}}
    for kind in options.kinds:
        found["kinds"][kind] = crowd(kind, options.people, options.moves)
        print(f"{kind}: {found['kinds'][kind]['ratio_of_p95']:.2f}", file=sys.stderr, flush=True)
    print(json.dumps(found) if options.json else found)


def crowd(kind: str, people: int, moves: int) -> dict[str, Any]:
    """One crowd on a server of its own, beside one kind of work."""
    asked = argparse.Namespace(people=people, moves=moves, minutes=0.0, beside=kind)
    with tempfile.TemporaryDirectory(prefix="gaprune-crowd-") as name:
        model = str(build(Path(name) / "model", "bert"))
        served = Served(model, str(Path(name) / "workspace"))
        try:
            return measure(served, asked, model)
        finally:
            served.close()


if __name__ == "__main__":
    main()
