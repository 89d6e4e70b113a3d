"""Coverage-guided fuzzing of the readers of bytes, for minutes or hours; stops at the first crash or hang of 5 s.

    python -m venv /tmp/atheris && /tmp/atheris/bin/pip install atheris -e .
    /tmp/atheris/bin/python tests/reliability/atheris_readers.py READER -max_total_time=120

READER is jsonl, json, csv, parquet, arrow, zip, beir, study or address; what follows goes to libFuzzer.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris
import gradio as gr

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

# First of all: what was imported before is not watched, and then nothing that an input reaches counts as new.
WATCHED = ["data", "experiments.study", "storage.json_files", "app.frame.address", "app.frame.restoring"]
with atheris.instrument_imports(include=[f"gaprune_viz.{name}" for name in WATCHED]):
    from gaprune_viz.app.frame.address import params_of
    from gaprune_viz.app.frame.restoring import Restoration
    from gaprune_viz.app.page import compose
    from gaprune_viz.app.session.view import View
    from gaprune_viz.data.beir import read_beir
    from gaprune_viz.data.preview import inspect_upload
    from gaprune_viz.data.triplets import load_triplets
    from gaprune_viz.errors import GapruneError
    from gaprune_viz.experiments.study.document import open_study

FOLDER = Path(tempfile.mkdtemp(prefix="gaprune-atheris-"))
GOOD = b'{"query": "a", "positive": "b", "negative": "c"}\n'
SEEDS = {
    "jsonl": [GOOD * 2, GOOD + b'{"query": ["x"]}\n'],
    "json": [b"[" + GOOD.strip() + b"," + GOOD.strip() + b"]"],
    "csv": [b"query,positive,negative\na,b,c\nd,e,f\n", b'query;positive;negative\n"a;b";c;d\n'],
    "parquet": [b"PAR1PAR1"],
    "arrow": [b"ARROW1\0\0"],
    "zip": [b"PK\x05\x06" + b"\0" * 18],
    "beir": [b'{"_id":"1","text":"a"}\n|{"_id":"1","text":"b"}\n|1\t1\t1\n'],
    "study": [(ROOT / "assets" / "study" / "finance.json").read_bytes()],
    "address": [b"preset=balanced&sparsity=0.7&at=3-down&tab=sweep&run=demo"],
}


def upload(ending: str) -> Callable[[bytes], object]:
    path = FOLDER / f"upload.{ending}"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        for reader in (lambda: load_triplets(str(path)), lambda: inspect_upload(path)):
            reader()

    return read


def beir(content: bytes) -> None:
    (FOLDER / "qrels").mkdir(exist_ok=True)
    parts = [*content.split(b"|", 2), b"", b""]
    for name, part in zip(("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"), parts, strict=False):
        (FOLDER / name).write_bytes(part)
    read_beir(FOLDER)


def study(content: bytes) -> None:
    path = FOLDER / "study.json"
    path.write_bytes(content)
    open_study(path)


def restoration() -> Restoration:
    """What sets a page as an address says, outside a running server."""
    with gr.Blocks():
        page = compose()
    return Restoration(page.following, page.tab_box)


RESTORATION = restoration()
READERS: dict[str, Callable[[bytes], object]] = {
    **{ending: upload(ending) for ending in ("jsonl", "json", "csv", "parquet", "arrow", "zip")},
    "beir": beir,
    "study": study,
    "address": lambda content: RESTORATION.restored(params_of(content.decode("utf-8", "replace")), View()),
}


def main() -> None:
    name = sys.argv.pop(1)
    read, corpus = READERS[name], FOLDER / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(SEEDS[name]):
        (corpus / str(number)).write_bytes(seed)

    def once(content: bytes) -> None:
        try:
            read(content)
        except GapruneError as error:
            assert "\n" not in str(error)

    atheris.Setup([sys.argv[0], str(corpus), "-timeout=5", *sys.argv[1:]], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
