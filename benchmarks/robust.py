"""Settings by their worst source: `python benchmarks/robust.py --markdown docs/robust.md`.

Calibrates on each source, prunes, and measures what is left of retrieval on that source and on general texts. Cells are
kept in a folder, so that it goes on where it was stopped, and a new settings entry costs its own cells only.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._robust_cells import Bench, grid
from benchmarks._robust_settings import CANDIDATES
from benchmarks._robust_sources import sources


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/robust"), help="analyses and cells")
    parser.add_argument("--sources", nargs="*", default=[], help="all where none is named")
    parser.add_argument("--sizes", nargs="*", type=int, default=[64, 256], help="calibration triplets a side")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--sparsities", nargs="*", type=float, default=[0.5, 0.7])
    parser.add_argument("--settings", nargs="*", default=list(CANDIDATES), help="names of entries")
    parser.add_argument("--out", type=Path, default=None, help="JSON of all cells")
    asked = parser.parse_args()
    chosen = {name: CANDIDATES[name] for name in asked.settings}
    bench, rows = Bench(asked.folder), []
    for row in grid(
        bench, sources(asked.folder / "texts", asked.sources), asked.sizes, asked.seeds, asked.sparsities, chosen
    ):
        rows.append(row)
        print(line(row), file=sys.stderr, flush=True)
    if asked.out is not None:
        asked.out.write_text(json.dumps({"format": 1, "rows": rows}) + "\n", encoding="utf-8")


def line(row: dict[str, Any]) -> str:
    kept = row["kept"]
    return (
        f"{row['source']:<11} {row['samples']:>4} {row['seed']} {row['sparsity']:.1f} "
        f"{kept['domain']:6.1f} {kept['general']:6.1f} {row['waking']:>5} {row['seconds']:>6} s  {row['settings']}"
    )


if __name__ == "__main__":
    main()
