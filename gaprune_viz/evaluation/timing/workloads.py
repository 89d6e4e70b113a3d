"""What models are timed with: short and long texts, one at a time and many, the models in turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gaprune_viz.data.starter import starter_passages

BATCHES = (1, 32)
LONG_WORDS = 160
Milliseconds = dict[str, float]
"""Of one text, by workload: `short-1`, `short-32`, `long-1`, `long-32`."""


def texts_of(queries: Sequence[str], passages: Sequence[str]) -> dict[str, list[str]]:
    """As many short and long texts as the largest batch takes: queries, and passages joined and cut to LONG_WORDS
    words."""
    many = max(BATCHES)
    words = " ".join(passages).split()
    words *= -(-(LONG_WORDS * many) // max(1, len(words)))
    return {
        "short": (list(queries) * many)[:many],
        "long": [" ".join(words[i * LONG_WORDS : (i + 1) * LONG_WORDS]) for i in range(many)],
    }


def starter_texts() -> dict[str, list[str]]:
    """Texts of the general starter collection, as `texts_of` gives them."""
    passages = starter_passages("general")
    return texts_of([query for passage in passages for query in passage.queries], [p.text for p in passages])


def milliseconds(
    models: Mapping[str, Any],
    texts: Mapping[str, Sequence[str]],
    rounds: int,
    tick: Callable[[int, int], None] | None = None,
) -> dict[str, Milliseconds]:
    """Encode the same texts with every model in turn; the median of the rounds, by model.

    Args:
        models: sentence-transformers models by name.
        texts: as `texts_of` gives them.
        tick: called with (encodings done, of how many) before each; what it raises ends the measurement.
    """
    found: dict[str, Milliseconds] = {name: {} for name in models}
    each = (rounds + 1) * len(models)
    loads = [(length, batch) for length in texts for batch in BATCHES]
    for place, (length, batch) in enumerate(loads):

        def way(st: Any, chosen: Sequence[str] = texts[length][:batch]) -> Callable[[], object]:
            return lambda: st.encode(chosen, batch_size=len(chosen), show_progress_bar=False)

        def told(done: int, _: int, place: int = place) -> None:
            if tick is not None:
                tick(place * each + done, len(loads) * each)

        seconds = in_turn({name: way(st) for name, st in models.items()}, rounds, told)
        for name, value in seconds.items():
            found[name][f"{length}-{batch}"] = 1_000 * value / batch
    return found


def in_turn(
    ways: dict[str, Callable[[], object]], rounds: int, tick: Callable[[int, int], None] | None = None
) -> dict[str, float]:
    """Median seconds of each way, taken in turn so that a busy machine slows all of them alike; one round warms up."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for count in range(rounds + 1):
        for place, (name, way) in enumerate(ways.items()):
            if tick is not None:
                tick(count * len(ways) + place, (rounds + 1) * len(ways))
            began = time.perf_counter()
            way()
            if count:
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in times.items()}
