"""What all commands share: the Typer app, flags made from specs, JSON output, a progress bar."""

from __future__ import annotations

import inspect
import json
import os
import re
import sys
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic_core import PydanticUndefined

from gaprune_viz.config import BETWEEN_SOURCES, MaskSpec, RefitSpec, ScoreSpec, Settings, Spec, StructureSpec
from gaprune_viz.config.fields import flag_name

app = typer.Typer(
    name="gaprune-viz",
    help="Prune text-embedding models by gradient alignment (GAPrune, arXiv 2509.10844), and see what it does.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else to standard output.")]
# `seed` exists in two specs; in `prune` it is the seed of the random criterion.
Flags = dict[str, Any]

Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help="Begin from a preset: paper, paper-30, balanced, magnitude, obd, nm-2-4, or one you saved. Flags win.",
    ),
]


def spec_flags(
    *specs: type[Spec], leave_out: tuple[str, ...] = (), **prefixed: type[Spec]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one flag for each field of some specs; they arrive as the keyword `flags`, only those given.

    Args:
        leave_out: fields that get no flag.
        prefixed: specs whose flags begin with a word of their own: `retrain=RetrainSpec` gives `--retrain-steps`. A
            field of that very name is not told twice: `refit=RefitSpec` gives `--refit` and `--refit-ridge`.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "flags"]
        fields = [_flag(spec, name) for spec in specs for name in spec.model_fields if name not in leave_out]
        fields += [_flag(spec, name, prefix) for prefix, spec in prefixed.items() for name in spec.model_fields]

        @wraps(command)
        def run(**values: Any) -> None:
            names = {field.name for field in fields}
            flags = {k: _given(v) for k, v in values.items() if k in names and v not in (None, [])}
            command(**{k: v for k, v in values.items() if k not in names}, flags=flags)

        parameters = sorted([*own, *fields], key=lambda p: p.default is not inspect.Parameter.empty)
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run

    return decorate


def _given(value: Any) -> Any:
    """A flag that may be repeated arrives as a list; a spec has one text."""
    return BETWEEN_SOURCES.join(value) if isinstance(value, list) else value


def _flag(spec: type[Spec], name: str, prefix: str = "") -> inspect.Parameter:
    """A flag that is None unless given; bounds are checked by the spec, with one message for all ways in."""
    info = spec.model_fields[name]
    kind = info.annotation
    if get_origin(kind) in (Literal, tuple) or (get_args(kind) and str in get_args(kind)) or name == "fisher_scale":
        plain: Any = str
    elif isinstance(kind, type) and issubclass(kind, StrEnum):
        plain = str
    else:
        plain = next((a for a in get_args(kind) if a is not type(None)), kind)
    if info.default in (None, PydanticUndefined):
        default = "none"
    else:
        default = ",".join(map(str, info.default)) if isinstance(info.default, tuple) else str(info.default)
    text = info.description or ""
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        text += f" One of: {', '.join(kind)}."
    whole = flag_name(name, prefix)
    form = f"--{whole.replace('_', '-')}"
    if kind is bool:
        option = typer.Option(f"{form}/--no{form[1:]}", help=text, show_default="on" if info.default else "off")
        return inspect.Parameter(
            whole, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[bool | None, option]
        )
    if isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("several"):
        option = typer.Option(form, help=f"{text} Repeatable.", show_default=default, metavar=plain.__name__.upper())
        return inspect.Parameter(
            whole, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[list[plain] | None, option]
        )
    option = typer.Option(form, help=text, show_default=default, metavar=plain.__name__.upper())
    return inspect.Parameter(
        whole, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[plain | None, option]
    )


def build(spec: type[Spec], flags: Flags, base: Spec | None = None, prefix: str = "") -> Any:
    """A spec from the flags that were given, the rest from `base` or the defaults."""
    values = {} if base is None else base.model_dump()
    whole = {name: flag_name(name, prefix) for name in spec.model_fields}
    given = {name: flags[flag] for name, flag in whole.items() if flag in flags}
    if "fisher_scale" in given:
        given["fisher_scale"] = _number_or_word(given["fisher_scale"])
    return spec.parse({**values, **given})


def _number_or_word(value: str) -> float | str:
    """What --fisher-scale takes: a number, or `auto`."""
    return float(value) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value) else value


def settings_of(flags: Flags, preset_name: str | None) -> Settings:
    from gaprune_viz.experiments.saved_presets import find_preset

    base = find_preset(preset_name).settings if preset_name else Settings()
    return Settings.parse(
        {
            "score": build(ScoreSpec, flags, base.score),
            "mask": build(MaskSpec, flags, base.mask),
            "refit": build(RefitSpec, flags, base.refit, prefix="refit"),
            "structure": build(StructureSpec, flags, base.structure, prefix="structure"),
        }
    )


def print_json(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n")


def speaks() -> bool:
    """Whether this process prints: alone, or the first of those that `accelerate launch` started."""
    return os.environ.get("RANK", "0") == "0"


def with_progress(work: Any) -> Any:
    """Run a job with a progress bar on standard error; Ctrl-C stops it cleanly."""
    from gaprune_viz.calibration.progress import iterate
    from gaprune_viz.jobs.eta import Eta

    box: list[Any] = []
    eta = Eta()
    with _bars() as bars:
        task = bars.add_task("", total=1.0, left="")
        for step in iterate(work, box):
            far = step.fraction if step.total > 1 else 0.0
            bars.update(task, description=step.stage, completed=far, left=_left(eta.told(step)))
    return box[0]


def with_reports(work: Callable[[Callable[[str, int, int], None]], None]) -> None:
    """Run work that reports (stage, done, total) with a progress bar on standard error; each stage begins anew."""
    from gaprune_viz.calibration.progress import Progress
    from gaprune_viz.jobs.eta import Eta

    with _bars() as bars:
        task = bars.add_task("", total=None, left="")
        last: list[str] = []
        eta = Eta()

        def report(stage: str, done: int, total: int) -> None:
            if last != [stage]:
                last[:] = [stage]
                bars.reset(task, description=stage, total=total or None)
            left = _left(eta.told(Progress(stage, done, total, 0.0)))
            bars.update(task, completed=done, total=total or None, left=left)

        work(report)


def _left(seconds: float | None) -> str:
    """What is left of a job, beside its bar; empty where it is not known."""
    from gaprune_viz.figures.kit.progress import duration

    return "" if seconds is None else f"{duration(seconds)} left"


def _bars() -> Any:
    """A progress display that is silent where standard error is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    silent = not (console.is_terminal and speaks())
    # rich below 14.3 ends a display with an empty line also where it is disabled.
    console.quiet = silent
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[left]}"),
        console=console,
        transient=True,
        disable=silent,
    )
