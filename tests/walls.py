"""The rules of the rooms, and what reads a module's imports and handlers against them."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import gaprune_viz

PACKAGE = Path(gaprune_viz.__file__).parent

# From the top of the house down: a room imports those below it, and what stands beside it not at all.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("app",),
    ("jobs",),
    ("experiments",),
    ("evaluation",),
    ("pruning",),
    ("analysis",),
    ("sketch",),
    ("masking",),
    ("criteria",),
    ("calibration",),
    ("data", "models"),
    ("storage",),
    ("figures",),
    ("config",),
    ("errors",),
)
# Whoever shows something to people; who computes never draws.
DRAW = {"cli", "app", "experiments", "figures"}
HEAVY = {"gradio", "plotly", "pandas", "mteb", "datasets"}
COMPUTE = ("sketch", "masking", "criteria", "calibration", "models")


def _allowed(room: str, floor: int) -> set[str]:
    below = {other for rooms in FLOORS[floor + 1 :] for other in rooms} | {"versions"}
    return {room, *below} - (set() if room in DRAW else {"figures"})


MAY_IMPORT: dict[str, set[str]] = {room: _allowed(room, i) for i, rooms in enumerate(FLOORS) for room in rooms}
MAY_IMPORT |= {
    "": set(),
    "__main__": {"cli"},
    "errors": set(),
    "versions": {""},
    "figures": {"figures", "config", "errors"},
}
NEVER: dict[str, set[str]] = {
    **{room: {"gradio"} for room in MAY_IMPORT if room != "app"},
    **dict.fromkeys(COMPUTE, HEAVY),
    "figures": {"torch", "gradio"},
}
ONLY_INSIDE_FUNCTIONS = {
    "accelerate",
    "datasets",
    "mteb",
    "pytrec_eval",
    "scipy",
    "sentence_transformers",
    "sklearn",
    "transformers",
}


@dataclass(frozen=True)
class Import:
    """One imported name, and where it is imported."""

    name: str
    line: int
    typing_only: bool
    inside_function: bool


class Imports(ast.NodeVisitor):
    """Collect all imports of a module: statements at any depth, and calls with a literal name."""

    def __init__(self, package: str) -> None:
        self.package, self.found = package, list[Import]()
        self.typing_only = self.inside_function = False

    def visit_If(self, node: ast.If) -> None:
        before = self.typing_only
        self.typing_only = before or ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for child in node.body:
            self.visit(child)
        self.typing_only = before
        for child in node.orelse:
            self.visit(child)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        before, self.inside_function = self.inside_function, True
        self.generic_visit(node)
        self.inside_function = before

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            parents = self.package.split(".")
            base = ".".join([*parents[: len(parents) - node.level + 1], *([base] if base else [])])
        for alias in node.names:
            self._add(f"{base}.{alias.name}", node.lineno)

    def visit_Call(self, node: ast.Call) -> None:
        called = ast.unparse(node.func)
        if called in ("__import__", "import_module", "importlib.import_module") and node.args:
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                self._add(name.value, node.lineno)
        self.generic_visit(node)

    def _add(self, name: str, line: int) -> None:
        self.found.append(Import(name, line, self.typing_only, self.inside_function))


def imports(source: str, package: str) -> list[Import]:
    """All imports of a source text, relative ones made absolute."""
    visitor = Imports(package)
    visitor.visit(ast.parse(source))
    return visitor.found


def room_of(path: Path) -> str:
    """The room that a module of the package belongs to."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def imported_room(name: str) -> str | None:
    """The room behind an imported name; None for what is not ours."""
    parts = name.split(".")
    if parts[0] != "gaprune_viz":
        return None
    return parts[1] if len(parts) > 1 and parts[1] in MAY_IMPORT else ""


def violations(source: str, room: str, package: str = "gaprune_viz") -> Iterator[str]:
    """What a module of a room imports against the rules, one line each."""
    for found in imports(source, package):
        top, ours = found.name.split(".")[0], imported_room(found.name)
        where = f"line {found.line}: {found.name}"
        if ours is not None and ours not in MAY_IMPORT[room]:
            yield f"{where}: {room or 'the package'} may not import {ours or 'the package'}"
        if top in NEVER.get(room, set()):
            yield f"{where}: {room or 'the package'} never imports {top}"
        if top in ONLY_INSIDE_FUNCTIONS and not (found.inside_function or found.typing_only):
            yield f"{where}: {top} is imported inside the function that uses it"


def handlers_of_everything(source: str) -> Iterator[str]:
    """`except:`, `except Exception` and `except BaseException`, alone or in a tuple, one line each.

    The one exception is a thread's outermost handler, which does nothing but hand the error on whole.
    """
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ExceptHandler) or hands_on(node):
            continue
        kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        for kind in kinds:
            name = "everything" if kind is None else ast.unparse(kind)
            if name in ("everything", "Exception", "BaseException"):
                yield f"line {node.lineno}: catches {name}"


def hands_on(handler: ast.ExceptHandler) -> bool:
    """Whether all that a handler does is to pass the caught error to one call, as in `failure.append(error)`."""
    body = handler.body[0]
    if len(handler.body) != 1 or not isinstance(body, ast.Expr) or not isinstance(body.value, ast.Call):
        return False
    return [ast.unparse(argument) for argument in body.value.args] == [handler.name]


# What transformers and sentence-transformers make models with.
_MAKERS = {"from_pretrained", "from_config", "SentenceTransformer"}
_NO_MODELS = {"PeftConfig", "AutoConfig", "AutoTokenizer", "Tokenizer"}


def made_beside_others(source: str) -> Iterator[str]:
    """Models that are made outside of `with constructing()`, one line each.

    `SentenceTransformer(modules=...)` only puts together what is there.
    """
    tree = ast.parse(source)
    held = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.With) and any("constructing()" in ast.unparse(item) for item in node.items)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args or node in held:
            continue
        owner, _, name = ast.unparse(node.func).rpartition(".")
        if name in _MAKERS and owner not in _NO_MODELS:
            yield f"line {node.lineno}: {ast.unparse(node.func)}"


def name_of(path: Path) -> str:
    """The dotted name of a module of the package."""
    parts = ["gaprune_viz", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts).removesuffix(".__init__")


def package_of(path: Path) -> str:
    return ".".join(["gaprune_viz", *path.relative_to(PACKAGE).parts[:-1]])


def imported_modules(source: str, package: str, known: Collection[str]) -> set[str]:
    """The modules that a source imports, wherever and whatever for: a name for the type checker counts."""
    names = {found.name for found in imports(source, package)}
    return {name if name in known else name.rpartition(".")[0] for name in names} & set(known)


def circles(arrows: Mapping[str, set[str]]) -> list[list[str]]:
    """Modules that import each other, directly or through others (strongly connected parts of more than one)."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    names = sorted(arrows)
    grid = np.array([[other in arrows[name] and other != name for other in names] for name in names], dtype=np.int8)
    _, labels = connected_components(csr_array(grid), directed=True, connection="strong")
    found: dict[int, list[str]] = {}
    for name, label in zip(names, labels.tolist(), strict=True):
        found.setdefault(label, []).append(name)
    return [part for part in found.values() if len(part) > 1]
