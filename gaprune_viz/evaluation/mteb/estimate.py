"""What a benchmark will cost, before it starts: texts and tokens from statistics, speed from a short probe."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gaprune_viz.data.starter import starter_passages

if TYPE_CHECKING:
    from mteb import AbsTask

    from gaprune_viz.evaluation.mteb.catalogue import BenchmarkTask
    from gaprune_viz.models.encoder import EmbeddingModel

PROBE_TEXTS = 24
WARM_UP_TEXTS = 4
# mteb encodes and scores this many passages at a time.
PASSAGES_AT_ONCE = 50_000
FLOAT_BYTES = 4


@dataclass(frozen=True)
class Size:
    """How much a task gives a model to read.

    Attributes:
        texts, characters: all that is encoded.
        queries, passages: of its largest search; 0 for other tasks.
    """

    texts: int
    characters: int
    queries: int = 0
    passages: int = 0


@dataclass(frozen=True)
class Speed:
    """What one model reads in a second, measured here, and what else of it a cost depends on.

    Attributes:
        characters_per_token: how many characters make a token of it.
        max_length: tokens of a text that it reads.
        dimension: of its embeddings; 0 where that is not known.
    """

    tokens_per_second: float
    characters_per_token: float
    max_length: int
    dimension: int


@dataclass(frozen=True)
class Estimate:
    """What a benchmark will cost.

    Attributes:
        texts, tokens: read by each model.
        seconds: of encoding, all models together. Scoring comes on top and is small beside it.
        memory: bytes beside the model: texts, embeddings and similarities of the largest task.
        unknown: tasks whose size is not known before they are loaded; nothing above counts them.
        models: how many read it.
        speed: what was measured.
    """

    texts: int
    tokens: int
    seconds: float
    memory: int
    unknown: tuple[str, ...]
    models: int
    speed: Speed


def estimate(tasks: Sequence[BenchmarkTask], models: int, speed: Speed) -> Estimate:
    """What it will cost that `models` versions of a model do some tasks.

    Args:
        speed: of the model, as `measure_speed` gives it.
    """
    sizes = {task.name: size_of(task) for task in tasks}
    known = [size for size in sizes.values() if size is not None]
    tokens = sum(_tokens(size, speed) for size in known)
    return Estimate(
        texts=sum(size.texts for size in known),
        tokens=tokens,
        seconds=models * tokens / speed.tokens_per_second,
        memory=max((_memory(size, speed.dimension) for size in known), default=0),
        unknown=tuple(name for name, size in sizes.items() if size is None),
        models=models,
        speed=speed,
    )


def measure_speed(model: EmbeddingModel) -> Speed:
    """Tokens per second over some passages of the starter collection, after a warm-up."""
    texts = [passage.text for passage in starter_passages("general")[: PROBE_TEXTS + WARM_UP_TEXTS]]
    model.encode(texts[:WARM_UP_TEXTS])
    measured = texts[WARM_UP_TEXTS:]
    tokens = sum(len(row) for row in model.token_ids(measured, "passage"))
    began = time.perf_counter()
    model.encode(measured)
    seconds = max(time.perf_counter() - began, 1e-6)
    dimension = int(model.st.get_embedding_dimension() or 0)
    return Speed(tokens / seconds, sum(map(len, measured)) / tokens, model.max_length, dimension)


def size_of(task: BenchmarkTask) -> Size | None:
    """The size of a task: counted where it is on this machine, from mteb's statistics where it is on the Hub.

    Returns:
        None where mteb has no statistics of it.
    """
    if task.local is not None:
        texts = [passage.embedding_text for passage in task.local.corpus] + list(task.local.queries.values())
        return Size(len(texts), sum(map(len, texts)), len(task.local.queries), len(task.local.corpus))
    made = task.make()
    statistics: Mapping[str, Any] = made.metadata.descriptive_stats or {}
    splits = [split for split in made.eval_splits if split in statistics]
    if not splits:
        return None
    sizes = [_split_size(statistics[split]) for split in splits]
    train = getattr(made, "train_split", None)
    if isinstance(train, str) and train in statistics and made.metadata.type == "Classification":
        sizes.append(_training_size(made, statistics[train]))
    return Size(
        sum(size.texts for size in sizes),
        sum(size.characters for size in sizes),
        max(size.queries for size in sizes),
        max(size.passages for size in sizes),
    )


def _split_size(found: Mapping[str, Any]) -> Size:
    """The size of one split from mteb's statistics of it."""
    texts = int(found["num_samples"])
    characters = found.get("number_of_characters") or (found.get("text_statistics") or {}).get("total_text_length", 0)
    if "num_documents" in found:
        return Size(texts, int(characters), int(found["num_queries"]), int(found["num_documents"]))
    # Pairs: both texts of each are read.
    return Size(texts * (2 if "unique_pairs" in found else 1), int(characters))


def _training_size(task: AbsTask, found: Mapping[str, Any]) -> Size:
    """What a classification task reads to train on: a few texts of each label, drawn once per experiment."""
    whole = _split_size(found)
    labels = (found.get("label_statistics") or {}).get("unique_labels", 2)
    drawn = min(whole.texts, getattr(task, "samples_per_label", 8) * labels * getattr(task, "n_experiments", 10))
    return Size(drawn, round(whole.characters * drawn / max(whole.texts, 1)))


def _tokens(size: Size, speed: Speed) -> int:
    """Tokens of all texts, taking all as long as their mean, which is cut where the model cuts."""
    mean = size.characters / max(size.texts, 1) / speed.characters_per_token
    return round(size.texts * float(np.clip(mean, 1, speed.max_length)))


def _memory(size: Size, dimension: int) -> int:
    passages = min(size.passages, PASSAGES_AT_ONCE)
    embeddings = ((size.queries + passages) if size.passages else size.texts) * dimension
    return size.characters + FLOAT_BYTES * (embeddings + size.queries * passages)
