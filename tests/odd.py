"""Values that nobody expects, for readers, parsers, events and endpoints; and what an answer to them may not hold."""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Callable
from typing import Any

import hypothesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from gaprune_viz.errors import GapruneError
from gaprune_viz.figures.kit import panels

# Of the processor, so that a machine that is busy with other work, or a paused process, is no failure. What waits and
# never ends is stopped by the time limit of the test.
HANG_SECONDS = 5.0
CASES = int(os.environ.get("GAPRUNE_FUZZ", "40"))
FUZZ = settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

MARKUP = ("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><svg/onload=alert(1)>', "<b>bold</b>")
PATHS = (
    "/etc/passwd",
    "../../etc/passwd",
    "file:///etc/passwd",
    "..",
    ".",
    "/",
    "~",
    "/dev/zero",
    "/proc/self/environ",
    "C:\\Windows",
    "%2e%2e/",
    "http://127.0.0.1:9/x",
    "upload:" + "a" * 22 + "/x.csv",
    "hub:a/b",
    "analysis-" + "0" * 16,
)
ODD = st.sampled_from(
    [*MARKUP, *PATHS, "", "=1+1", "\x00", "\ud800", "‮", "NaN", "9" * 5_000, "'", '"', "\\", "\r", "²", "{0}", "%s"]
)
TEXTS = st.one_of(ODD, st.text(max_size=40))
NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([-1, 2**31, 2**63, 10**30, 1e308, -0.0]))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)


def given(*strategies: Any) -> Callable[[Callable[..., None]], Any]:
    """Hypothesis's `given`, where no case may take five seconds of work."""

    def decorate(test: Callable[..., None]) -> Any:
        @functools.wraps(test)
        def once(*values: Any, **named: Any) -> None:
            began = time.process_time()
            test(*values, **named)
            assert time.process_time() - began < HANG_SECONDS, "it hangs"

        return hypothesis.given(*strategies)(once)

    return decorate


def deep(depth: int) -> Any:
    """A list in a list in a list."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def json_bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True).encode()


@st.composite
def mutated(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """A file, some of its bytes changed, cut out or put in."""
    content = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 4))):
        where = draw(st.integers(0, len(content)))
        length = draw(st.integers(0, 8))
        content[where : where + length] = draw(st.binary(max_size=8))
    return bytes(content)


def plain(error: GapruneError) -> None:
    """One line, that says what to do, and can be shown."""
    assert "\n" not in str(error)
    assert error.message
    assert "Traceback" not in str(error)
    shown = panels.error_card(error.message, error.hint)
    assert not any(markup in shown for markup in MARKUP)


def asked(read: Callable[[], Any]) -> None:
    """An answer, or one clear line."""
    try:
        read()
    except GapruneError as error:
        plain(error)


NESTED = st.integers(0, 60_000).map(lambda depth: b'{"format":' * depth)


@st.composite
def altered(draw: st.DrawFn, document: Any) -> bytes:
    """A document of ours, with bytes or values of it changed; or another one."""
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return draw(st.one_of(VALUES.map(json_bytes), NESTED, st.binary(max_size=100)))
    if kind == 1:
        return draw(mutated(st.just(json_bytes(document))))
    changed = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(1, 3))):
        at = changed
        while isinstance(at, (dict, list)) and at:
            key = draw(st.sampled_from(sorted(at))) if isinstance(at, dict) else draw(st.integers(0, len(at) - 1))
            if not isinstance(at[key], (dict, list)) or draw(st.booleans()):
                at[key] = draw(VALUES)
                break
            at = at[key]
    return json_bytes(changed)
