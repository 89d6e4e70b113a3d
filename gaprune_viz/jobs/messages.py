"""What the process that computes says: lines of JSON, and how an error becomes one of them.

    {"pid": 123}                                  the process that computes
    {"step": ["Calibrating", 3, 40, 1.5]}         stage, done, total, seconds
    {"part": "gASV..."}                           something of the result that is there already, packed
    {"result": "gASV..."}                         what the work returned, packed
    {"refused": ["what happened", "what to do"]}  an error that a person can put right
    {"stopped": true}                             it was asked to stop, and did
    {"failed": "Traceback ..."}                   any other
    {"ended": -9}                                 exit status; minus the signal's number where one ended it

Packed is a pickle in base 64: both sides are the same program, and what is sent are plain values, arrays and tables.
"""

from __future__ import annotations

import base64
import json
import os
import pickle
import traceback
from contextlib import suppress
from typing import Any, TextIO

from gaprune_viz.errors import Cancelled, GapruneError


def tell(answers: TextIO, **answer: Any) -> None:
    """Write one answer.

    Raises:
        OSError: nobody listens any more.
    """
    # The first line break ends what somebody was writing when he was killed.
    answers.write(f"\n{json.dumps(answer)}\n")
    answers.flush()


def pack(value: Any) -> str:
    """A value as text."""
    return base64.b64encode(pickle.dumps(value, pickle.HIGHEST_PROTOCOL)).decode("ascii")


def unpack(text: str) -> Any:
    """The value behind a text that `pack` made."""
    return pickle.loads(base64.b64decode(text))


def take_over(request: dict[str, Any]) -> None:
    """Have the environment and the working folder of whoever asks."""
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])


class ErrorsTold:
    """Errors inside are told, and end there; asking a process to end is no error.

    Attributes:
        error: the one that was told.
    """

    def __init__(self, answers: TextIO) -> None:
        self.answers = answers
        self.error: Exception | None = None

    def __enter__(self) -> ErrorsTold:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        self.error = error
        # Where nobody listens any more, nobody is to be told.
        with suppress(OSError):
            if isinstance(error, GapruneError):
                tell(self.answers, refused=[error.message, error.hint])
            elif isinstance(error, Cancelled):
                tell(self.answers, stopped=True)
            else:
                tell(self.answers, failed="".join(traceback.format_exception(error)))
        return True
