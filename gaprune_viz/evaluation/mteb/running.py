"""Runs tasks with the versions of a model, one after the other, and keeps what came out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.evaluation.mteb.encoder import encoder_for
from gaprune_viz.evaluation.mteb.loading import again, first_line, load, quiet

if TYPE_CHECKING:
    from mteb import AbsTask

    from gaprune_viz.evaluation.mteb.catalogue import BenchmarkTask
    from gaprune_viz.evaluation.mteb.model_versions import Variant
    from gaprune_viz.evaluation.tasks import Stop

Report = Callable[[str, int, int], None]

# mteb's names of what our own evaluation reports too.
RETRIEVAL_METRICS = {
    "ndcg_at_10": "ndcg_at_10",
    "mrr_at_10": "mrr_at_10",
    "recall_at_10": "recall_at_10",
    "recall_at_100": "recall_at_100",
    "map": "map_at_1000",
}
# How trec_eval spells per query what mteb reports as a mean.
PER_QUERY = {"ndcg_at_": "ndcg_cut_", "map_at_": "map_cut_", "recall_at_": "recall_"}


@dataclass(frozen=True)
class Score:
    """What one version of a model reached on one task.

    Attributes:
        task, kind: name and mteb's type.
        variant: which version of the model.
        metric: the task's main metric. score: its value, mean over splits and subsets.
        more: further metrics (retrieval: MRR@10, recall@10 and @100, MAP).
        per_query: split, subset and query -> main metric, where the task is a search; else empty.
        clusters: the same keys -> a number that queries with the very same relevant passages share.
        data: repository or collection. data_revision: its commit or content hash.
        model, revision: the model and what identifies its weights.
        prompts: what is put before queries and before passages.
        max_length: tokens. dtype: of the weights.
        seconds: encoding and scoring, without loading.
    """

    task: str
    kind: str
    variant: str
    metric: str
    score: float
    more: dict[str, float]
    per_query: dict[str, float] = field(repr=False)
    clusters: dict[str, int] = field(repr=False)
    data: str
    data_revision: str
    model: str
    revision: str
    prompts: dict[str, str]
    max_length: int
    dtype: str
    seconds: float


@dataclass(frozen=True)
class Failure:
    """A task that could not be done, and why."""

    task: str
    error: GapruneError


def run(
    tasks: Sequence[BenchmarkTask],
    variants: Sequence[Variant],
    *,
    report: Report | None = None,
    stop: Stop | None = None,
) -> Iterator[Score | Failure]:
    """Do every task with every variant.

    Args:
        report: called with (what is going on, texts done, texts of this encoding); 0 texts where that is not known.
        stop: asked before each batch of texts and before each task.

    Yields:
        a score for each task and variant as soon as it is there, or one failure for a task whose data cannot be had
        or whose embeddings are not finite; the tasks after it are done all the same.

    Raises:
        Cancelled: when `stop` says so. What was given before stays good.
    """
    told = report or (lambda stage, done, total: None)
    for number, task in enumerate(tasks, 1):
        place = f"{task.name} ({number} of {len(tasks)})" if len(tasks) > 1 else task.name
        if stop is not None and stop():
            raise Cancelled
        told(f"Loading {place}", 0, 0)
        try:
            loaded = load(task)
            for variant in variants:
                yield _measure(task, again(task, loaded), variant, f"{variant.name}: {place}", told, stop)
        except GapruneError as error:
            yield Failure(task.name, error)


def _measure(
    task: BenchmarkTask, ready: AbsTask, variant: Variant, stage: str, report: Report, stop: Stop | None
) -> Score:
    """One task with one variant.

    Raises:
        GapruneError: an embedding is not finite, or mteb cannot score the task.
    """
    import mteb

    def tell(done: int, total: int) -> None:
        report(f"Encoding, {stage}", done, total)

    per_query, clusters = _keep_per_query(ready)
    # Its base class leaves out what mteb's protocol of an encoder demands of `__init__`.
    encoder: Any = encoder_for(variant, progress=tell, stop=stop)
    began = time.perf_counter()
    try:
        with quiet():
            # Without a cache: it would know a model that was pruned in place by its name, as the dense one.
            found = mteb.evaluate(
                encoder, [ready], cache=None, co2_tracker=False, show_progress_bar=False, raise_error=True
            )
    except (ValueError, KeyError, TypeError, IndexError, RuntimeError, ArithmeticError) as error:
        raise GapruneError(f"{task.name} cannot be scored: {first_line(error)}", "Choose another task.") from error
    result = found.task_results[0]
    model, metadata = variant.model, ready.metadata
    return Score(
        task=task.name,
        kind=metadata.type,
        variant=variant.name,
        metric=metadata.main_score,
        score=_mean(per_query) if per_query else float(result.get_score()),
        more=_more(result.scores),
        per_query=per_query,
        clusters=clusters,
        data=metadata.dataset["path"],
        data_revision=metadata.dataset["revision"],
        model=model.label,
        revision=variant.revision,
        prompts={kind: model.prompt(kind) for kind in ("query", "passage")},
        max_length=model.max_length,
        dtype=str(next(model.backbone.parameters()).dtype).removeprefix("torch."),
        seconds=time.perf_counter() - began,
    )


def _keep_per_query(task: Any) -> tuple[dict[str, float], dict[str, int]]:
    """Fill `Score.per_query` and `Score.clusters` while a search is scored; they stay empty for other tasks.

    mteb gives all scores of all queries to the hook `task_specific_scores` and then keeps their means alone.
    """
    kept: dict[str, float] = {}
    clusters: dict[str, int] = {}
    numbers: dict[tuple[str, frozenset[str]], int] = {}
    original = getattr(task, "task_specific_scores", None)
    if original is None:
        return kept, clusters
    name = task.metadata.main_score
    for ours, theirs in PER_QUERY.items():
        name = name.replace(ours, theirs)

    def hook(
        scores: Mapping[str, Mapping[str, float]],
        judged: Mapping[str, Mapping[str, int]],
        *rest: Any,
        hf_split: str,
        hf_subset: str,
    ) -> dict[str, float]:
        part = f"{hf_split}/{hf_subset}"
        for query_id, found in scores.items():
            if name in found:
                answers = frozenset(id for id, grade in judged[query_id].items() if grade > 0)
                kept[f"{part}/{query_id}"] = float(found[name])
                clusters[f"{part}/{query_id}"] = numbers.setdefault((part, answers), len(numbers))
        return original(scores, judged, *rest, hf_split=hf_split, hf_subset=hf_subset)

    task.task_specific_scores = hook
    return kept, clusters


def _mean(per_query: Mapping[str, float]) -> float:
    """mteb's main score of a search, which mteb itself rounds to five decimals: the mean over splits and subsets."""
    parts: dict[str, list[float]] = {}
    for place, value in per_query.items():
        parts.setdefault("/".join(place.split("/")[:2]), []).append(value)
    return fmean(fmean(values) for values in parts.values())


def _more(scores: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, float]:
    """The metrics of our own evaluation, as means over splits and subsets; nothing for a task that is no search."""
    rows = [row for split in scores.values() for row in split]
    return {
        ours: fmean(float(row[theirs]) for row in rows)
        for ours, theirs in RETRIEVAL_METRICS.items()
        if all(theirs in row for row in rows)
    }
