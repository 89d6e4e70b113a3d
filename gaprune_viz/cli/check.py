"""The `check` command: what data or a model are, before they are used."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from gaprune_viz.cli.base import Flags, Json, app, build, print_json, spec_flags
from gaprune_viz.config import DEFAULT_MODEL, LEFT_OUT, CalibrationSpec, ModelSpec, column_mapping
from gaprune_viz.errors import GapruneError
from gaprune_viz.storage.paths import named

MODEL_FILES = ("config.json", "modules.json", "adapter_config.json")
NOTES_SHOWN = 20


@app.command()
@spec_flags(ModelSpec)
def check(
    source: Annotated[
        str,
        typer.Argument(
            metavar="DATA_OR_MODEL", help="Anything that --domain or --task takes; or a model folder or a Hub id."
        ),
    ],
    flags: Flags,
    columns: Annotated[
        str | None, typer.Option("--columns", help=CalibrationSpec.model_fields["domain_columns"].description)
    ] = None,
    left_out: Annotated[
        float, typer.Option("--left-out", help=CalibrationSpec.model_fields["left_out"].description)
    ] = LEFT_OUT,
    against: Annotated[
        list[str] | None,
        typer.Option("--against", help="A task whose queries and passages should not be among the data; repeatable."),
    ] = None,
    json_: Json = False,
) -> None:
    """Say what data or a model are: rows, lengths, scripts, what would be left out. Exit 2 where they cannot be used.

    With --model, data are also counted in that model's tokens, and how many texts it would cut.
    """
    from gaprune_viz.data.data_check import refusal

    try:
        if is_model(source):
            lines, document = _model(build(ModelSpec, {**flags, "model": source}))
        else:
            lines, document = _data(source, flags, columns, left_out, against or ())
    except GapruneError as error:
        if json_:
            print_json(refusal(error))
        raise
    if json_:
        print_json(document)
        return
    for line in lines:
        print(line)


def is_model(source: str) -> bool:
    """Whether a name stands for a model: a folder with a model's files, the default, or an id of the Hub."""
    from gaprune_viz.data.readers.by_ending import SUFFIXES

    path = named(source)
    if path.is_dir():
        return any((path / name).is_file() for name in MODEL_FILES) or path.name.startswith("models--")
    there = path.exists()
    if there or path.suffix.lower() in SUFFIXES:
        return False
    return source == DEFAULT_MODEL or re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", source) is not None


def _model(spec: ModelSpec) -> tuple[list[str], dict[str, Any]]:
    try:
        checking = importlib.import_module("gaprune_viz.models.model_check")
    except ModuleNotFoundError as error:
        if error.name != "gaprune_viz.models.model_check":
            raise
        raise GapruneError(
            f"{spec.model} is a model, and only data are checked here.", "`gaprune-viz plan --model` looks at a model."
        ) from error
    document: dict[str, Any] = {"usable": True, **checking.check_model(spec).model_dump(mode="json")}
    return [f"{name.replace('_', ' '):<20}{_plain(value)}" for name, value in document.items()], document


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key} {_plain(inner)}" for key, inner in value.items())
    return ", ".join(map(_plain, value)) if isinstance(value, (list, tuple)) else str(value)


def _data(
    source: str, flags: Flags, columns: str | None, left_out: float, against: Sequence[str]
) -> tuple[list[str], dict[str, Any]]:
    from gaprune_viz.data.data_check import check_data

    # The spec knows the bounds of a share and the form of a mapping, and says what is wrong with them.
    spec = CalibrationSpec.parse({"domain": source, "domain_columns": columns, "left_out": left_out})
    report = check_data(
        source,
        columns=column_mapping(spec.domain_columns),
        left_out=spec.left_out,
        against=dict(_texts_of(task) for task in against),
        tokens=_counter(build(ModelSpec, flags)) if "model" in flags else None,
    )
    return data_lines(report), report.model_dump(mode="json")


def _texts_of(source: str) -> tuple[str, tuple[list[str], list[str]]]:
    from gaprune_viz.evaluation.task_sources import load_task

    task = load_task(source)
    return task.name, (list(task.queries.values()), [passage.embedding_text for passage in task.corpus])


def _counter(spec: ModelSpec) -> Any:
    """Counts tokens as the model reads them, cut where it cuts: a text at that length is taken for cut."""
    from gaprune_viz.models.loading import load_model

    model = load_model(spec, weights=False)

    def count(texts: Sequence[str], kind: str) -> tuple[list[int], int]:
        return [len(ids) for ids in model.token_ids(list(texts), kind)], model.max_length - 1

    return count


def data_lines(report: Any) -> list[str]:
    """A report on data, for people."""
    what = {"pairs": "pairs", "plain texts": "texts", "collection": "judged queries"}.get(report.kind, "triplets")
    lines = [
        f"{report.name}: {report.kind}, {report.format}.",
        f"{report.kept:,} {what} of {report.rows:,} rows; {report.duplicates:,} duplicates, {report.left_out:,} left "
        f"out" + (f"; {report.different_queries:,} different queries." if report.different_queries else "."),
    ]
    for kind, found in report.lengths.items():
        said = f"{kind + ' texts':<14}{found.texts:>8,}, characters: median {found.median:,.0f}, 95 % at most "
        said += f"{found.p95:,.0f}, longest {found.longest:,}"
        if found.tokens is not None:
            said += f"; tokens: median {found.tokens:,.0f}, {found.cut:.1%} are cut"
        lines.append(said)
    lines.append(f"scripts: {', '.join(f'{name} {share:.1%}' for name, share in report.scripts.items()) or 'none'}")
    if report.needs_model:
        lines.append("negatives: mined with the model")
    if report.identical_ids is not None and report.identical_ids.shared:
        done = "left out of what they find" if report.identical_ids.left_out else "ranked like others"
        lines.append(f"identical ids: {report.identical_ids.shared:,} queries are passages too; their own is {done}")
    if report.missing_documents:
        lines.append(f"missing documents: {report.missing_documents:,}, judged and not in the corpus")
    for found in report.leakage:
        lines.append(f"shared with {found.task}: {found.queries:,} queries, {found.passages:,} passages")
    more = len(report.notes) - NOTES_SHOWN
    return [*lines, *(f"note: {note}" for note in report.notes[:NOTES_SHOWN])] + (
        [f"and {more:,} more notes; --json gives them"] if more > 0 else []
    )
