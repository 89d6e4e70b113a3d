"""Everything hostile that somebody may send, one after another, and the line that answers each.

    python tests/reliability/hostile.py [--markdown FILE]

`--markdown` puts the tables into the section "Hostile uploads" of a document.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", GRADIO_ANALYTICS_ENABLED="False")

import hostile_files as files  # noqa: E402
import hostile_folders as folders  # noqa: E402
import hostile_names as names  # noqa: E402
import hostile_requests as requests  # noqa: E402

SECTION = "## Hostile uploads"
# What none of the answers may hold.
BAD = re.compile(r"Traceback|File \"|site-packages|\bTAKEN\b|\bRENDERED\b|\bOPENED\b|\bANSWERED\b|without any words")
Lines = Iterator[tuple[str, str]]


def tables(folder: Path) -> Iterator[tuple[str, Lines]]:
    """Heading and lines of each table; each line is made when it is asked for."""
    model = folders.build_tiny(folder)
    yield "Upload", ((what, files.answered(path)) for what, path in files.uploads(folder))
    yield "Model", ((what, folders.load(path)) for what, path in folders.model_folders(folder))
    yield "Analysis", ((what, folders.opened(path)) for what, path in folders.sketches(folder))
    yield f"`{names.CLIMB}` as", names.names(folder)
    yield f"`{names.MARKUP}` as", names.texts(folder)
    yield "Request to a public page", requests.public_requests(str(model))
    yield "Call of an endpoint on a private page", requests.private_calls()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", type=Path, help=f"the document whose section {SECTION!r} is written anew")
    arguments = parser.parse_args()
    began, count, bad, lines = time.monotonic(), 0, 0, list[str]()
    with tempfile.TemporaryDirectory(prefix="gaprune-hostile-") as name:
        folder = Path(name)
        os.environ["GAPRUNE_VIZ_WORKSPACE"] = str(folder / "workspace")
        for heading, rows in tables(folder):
            lines += ["", f"| {heading} | Answer |", "|---|---|"]
            for what, answer in rows:
                count, bad = count + 1, bad + bool(BAD.search(answer) or "\n" in answer)
                lines.append(f"| {_cell(what, folder)} | {_cell(answer, folder)} |")
                print(lines[-1], file=sys.stderr, flush=True)
    took = f"{count} lines in {time.monotonic() - began:.0f} s, {bad} of them not as they should be"
    text = "\n".join([f"`make hostile`: {took}.", *lines]) + "\n"
    if arguments.markdown:
        document = arguments.markdown.read_text(encoding="utf-8")
        arguments.markdown.write_text(with_section(document, text), encoding="utf-8")
    else:
        print(text, end="")
    print(took, file=sys.stderr)
    return 1 if bad else 0


def with_section(document: str, text: str) -> str:
    """A document with the text of the section in the place of the earlier one, or at the end."""
    section = f"{SECTION}\n\n{text}"
    found = re.search(rf"^{SECTION}\n.*?(?=^## |\Z)", document, flags=re.MULTILINE | re.DOTALL)
    if found is None:
        return f"{document.rstrip()}\n\n{section}"
    rest = document[found.end() :]
    return document[: found.start()] + section + (f"\n{rest}" if rest else "")


def _cell(text: str, folder: Path) -> str:
    text = text.replace(f"{folder}/", "").replace("|", "\\|").replace("<", "&lt;").replace("\r", "\\r")
    return text if len(text) < 260 else text[:257].rsplit(" ", 1)[0] + " ..."


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Pages that still listen would keep the process.
    os._exit(code)
