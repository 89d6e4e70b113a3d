"""Sources that differ in kind, for choosing settings by their worst case: texts, tasks, and how both are split.

Three starter domains, two ontologies, docstrings of installed packages (long, noisy, technical), functions of Python's
own library (code), and names of anatomy with their synonyms (a few words). All of them install offline; of those that
are made here, no text is kept in this project. What is asked in calibration and in evaluation never shares a group: a
topic, a parent class, a source file.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import re
import sysconfig
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gaprune_viz.config import STARTER_DOMAINS
from gaprune_viz.data.ontologies import parent_split
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import Passage, RetrievalTask

PACKAGES = ("sklearn", "scipy", "pandas", "networkx", "sympy", "torch")
LEAST_WORDS, MOST_WORDS = 80, 300
LEAST_CODE, MOST_CODE = 20, 200
APART = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "turtledemo", "pydoc_data"}
"""Parts of Python's library whose code is not its own, or tests, or a whole program."""
PASSAGES, QUERIES = 300, 150
ONTOLOGY_PASSAGES = 400


@dataclass(frozen=True)
class Item:
    """A query and its passage; items of one group are each other's hard negatives."""

    id: str
    query: str
    passage: str
    group: str


@dataclass(frozen=True)
class Source:
    """A source.

    Attributes:
        name: short.
        kind: what its texts are, in words.
        calibration: what `CalibrationSpec.domain` takes.
        general: the other side of its analyses.
        task: the part that is measured.
    """

    name: str
    kind: str
    calibration: str
    general: str
    task: RetrievalTask


def sources(folder: Path, names: Iterable[str] = ()) -> list[Source]:
    """The sources by name, all where none is named; what is made is kept in a folder."""
    made: dict[str, Callable[[], Source]] = {
        **{name: lambda name=name: _starter(name) for name in STARTER_DOMAINS},
        "chebi": lambda: _ontology("chebi", "definitions of chemical substances"),
        "mondo": lambda: _ontology("mondo", "definitions of diseases"),
        "docstrings": lambda: _made(folder, "docstrings", "long, noisy, technical", docstrings()),
        "anatomy": lambda: _made(folder, "anatomy", "names and synonyms, a few words", anatomy()),
        "code": lambda: _made(folder, "code", "source code", code()),
    }
    return [made[name]() for name in names or made]


def _starter(name: str) -> Source:
    other = "finance" if name == "general" else "general"
    return Source(name, "written for this project", name, other, thinned(load_task(name)))


def _ontology(name: str, kind: str) -> Source:
    task = thinned(load_task(f"ontology:{name}:{ONTOLOGY_PASSAGES}"))
    return Source(name, kind, f"ontology:{name}", "general", task)


def _made(folder: Path, name: str, kind: str, items: Iterable[Item]) -> Source:
    parts: dict[str, list[Item]] = {"calibration": [], "evaluation": []}
    for item in items:
        parts[parent_split(item.group)].append(item)
    place = folder / f"{name}.jsonl"
    place.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row, ensure_ascii=False) for row in triplets(parts["calibration"]))
    place.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Source(name, kind, str(place), "general", task_of(name, parts["evaluation"]))


def triplets(items: Iterable[Item]) -> Iterator[dict[str, object]]:
    """(query, its passage, the next passage of its group) of every item that is not alone in its group."""
    for members in _by_group(items).values():
        for place, item in enumerate(members):
            other = members[(place + 1) % len(members)]
            if other is not item:
                yield {"query": item.query, "positive": item.passage, "negatives": [other.passage]}


def task_of(name: str, items: Iterable[Item]) -> RetrievalTask:
    """Whole groups in the order of a hash until there are PASSAGES; QUERIES of them are asked."""
    groups = _by_group(items)
    chosen: list[Item] = []
    for group in sorted(groups, key=_hash):
        if len(chosen) >= PASSAGES:
            break
        chosen += groups[group]
    return thinned(
        RetrievalTask.of(
            name,
            (Passage(i.id, i.passage, "", i.group) for i in chosen),
            {f"{i.id}-q": i.query for i in chosen},
            {f"{i.id}-q": {i.id: 1} for i in chosen},
        )
    )


def thinned(task: RetrievalTask) -> RetrievalTask:
    """A task with QUERIES of its queries, by a hash of their ids; all passages stay."""
    kept = sorted(sorted(task.judged, key=_hash)[:QUERIES])
    return RetrievalTask.of(
        task.name, task.corpus, {id: task.queries[id] for id in kept}, {id: task.qrels[id] for id in kept}
    )


def docstrings() -> Iterator[Item]:
    """Functions and classes of PACKAGES: the first sentence asks for the rest, markup and all."""
    seen: set[str] = set()
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            continue
        root = Path(spec.origin).parent
        for path in sorted(root.rglob("*.py")):
            where = path.relative_to(root.parent).as_posix()
            if "/tests/" in where or path.name.startswith("test_"):
                continue
            for name, text in _documented(path):
                summary, _, rest = text.partition("\n\n")
                query, passage = _one_line(summary), " ".join(rest.split()[:MOST_WORDS])
                few = not 4 <= len(query.split()) <= 30 or len(rest.split()) < LEAST_WORDS
                if few or query.casefold() in seen or passage.casefold() in seen:
                    continue
                seen |= {query.casefold(), passage.casefold()}
                yield Item(f"{where}:{name}", query, passage, where)


def _documented(path: Path) -> Iterator[tuple[str, str]]:
    for node in _parsed(path).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            text = ast.get_docstring(node)
            if text:
                yield node.name, text


def _parsed(path: Path) -> ast.Module:
    """The tree of a file; an empty one where it is no Python of this version."""
    try:
        with warnings.catch_warnings():
            # What a package warns of in its own files is nothing to us.
            warnings.simplefilter("ignore")
            return ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError, ValueError):
        return ast.Module([], [])


def code() -> Iterator[Item]:
    """Functions and methods of Python's library: the first sentence of the docstring asks for the body."""
    root, seen = Path(sysconfig.get_path("stdlib")), set[str]()
    for path in sorted(root.rglob("*.py")):
        where = path.relative_to(root).as_posix()
        if APART & set(where.split("/")) or where.startswith("_"):
            continue
        for name, summary, body in _functions(path):
            query, passage = _one_line(summary), " ".join(body.split())
            fit = 4 <= len(query.split()) <= 30 and LEAST_CODE <= len(passage.split()) <= MOST_CODE
            if fit and {query.casefold(), passage.casefold()}.isdisjoint(seen):
                seen |= {query.casefold(), passage.casefold()}
                yield Item(f"{where}:{name}", query, passage, where)


def _functions(path: Path) -> Iterator[tuple[str, str, str]]:
    """Name, first paragraph of the docstring, and the lines below it, of each public function of a file."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for node in ast.walk(_parsed(path)):
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_") or len(node.body) == 1:
            continue
        if text := ast.get_docstring(node):
            body = lines[node.body[1].lineno - 1 : node.end_lineno]
            yield f"{node.name}:{node.lineno}", text.partition("\n\n")[0], "\n".join(body)


def anatomy() -> Iterator[Item]:
    """Parts of the body: a name asks for its first synonym; those under one parent class are a group."""
    from cellxgene_ontology_guide.supported_versions import CXGSchema, clear_ontology_file_cache

    terms = CXGSchema().ontology("UBERON")
    clear_ontology_file_cache()
    seen: set[str] = set()
    for id_, term in sorted(terms.items()):
        label = term.get("label") or ""
        words = set(re.findall(r"[a-z]{3,}", label.casefold()))
        for synonym in () if term.get("deprecated") or not words else term.get("synonyms") or ():
            other = set(re.findall(r"[a-z]{3,}", synonym.casefold()))
            if other and not other <= words and {label.casefold(), synonym.casefold()}.isdisjoint(seen):
                seen |= {label.casefold(), synonym.casefold()}
                parents = sorted(parent for parent, distance in term["ancestors"].items() if distance == 1)
                yield Item(id_, label, synonym, parents[0] if parents else id_)
                break


def _one_line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


def _by_group(items: Iterable[Item]) -> dict[str, list[Item]]:
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        groups[item.group].append(item)
    return groups


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
