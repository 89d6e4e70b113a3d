"""The command line: thin, the same specs as the page."""

from __future__ import annotations

import io
import sys
from typing import Any, NoReturn

import typer

from gaprune_viz.cli import (
    analysis,
    benchmarks,
    check,
    converting,
    frontier,
    planning,
    serving,
    sources,
    speed,
    studies,
    sweep,
    transfer,
)
from gaprune_viz.cli.base import app, speaks
from gaprune_viz.errors import GapruneError
from gaprune_viz.jobs import threads

# Typer carries a click of its own in some versions: the base of its public error is the right one in all.
USAGE_ERROR: Any = typer.BadParameter.__base__

__all__ = [
    "analysis",
    "app",
    "benchmarks",
    "check",
    "converting",
    "frontier",
    "main",
    "planning",
    "serving",
    "sources",
    "speed",
    "studies",
    "sweep",
    "transfer",
]


def main() -> None:
    """Run the command line; a GapruneError is one line on standard error and exit status 2."""
    threads.settle()
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a letter shows its number: no result is lost for that.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = app(standalone_mode=False)
    except GapruneError as error:
        _fail(str(error), 2)
    except USAGE_ERROR as error:
        where = f" {error.ctx.command_path} --help lists the flags." if error.ctx else ""
        _fail(f"{error.format_message()}{where}", 2)
    except (typer.Abort, KeyboardInterrupt):
        _fail("stopped.", 130)
    # After `typer.Abort`, which is a RuntimeError as well.
    except (MemoryError, RuntimeError) as error:
        _fail(_out_of_memory(error), 2)
    else:
        raise SystemExit(status or 0)


def _out_of_memory(error: MemoryError | RuntimeError) -> str:
    """What to say where memory ran out; any other error is raised again."""
    # It loads torch, which whatever ran out of memory had loaded.
    from gaprune_viz.models.memory import enough_memory

    try:
        with enough_memory():
            raise error
    except GapruneError as found:
        return str(found)


def _fail(text: str, status: int) -> NoReturn:
    if speaks():
        print(f"gaprune-viz: {' '.join(text.split())}", file=sys.stderr)
    raise SystemExit(status) from None
