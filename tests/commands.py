"""What a command left behind, for tests of the command line; the fixture `run` of tests/conftest.py runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple


class Result(NamedTuple):
    """Exit status, standard output and standard error of a command."""

    status: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        """The one object on standard output; nothing else may be there."""
        assert self.status == 0, self.err
        assert self.out.count("\n") == 1, self.out
        document = json.loads(self.out)
        assert isinstance(document, dict)
        return document

    def refusal(self) -> str:
        """The one line of a refused command."""
        assert self.status == 2, (self.status, self.out, self.err)
        assert self.out == ""
        assert self.err.startswith("gaprune-viz: "), self.err
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("gaprune-viz: ").strip()


Run = Callable[..., Result]
