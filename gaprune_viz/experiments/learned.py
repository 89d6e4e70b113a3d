"""That no query is both learned from and asked: a score on such queries would be of what was learned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gaprune_viz.calibration.batching import Given, texts_in
from gaprune_viz.data.sources.overlap import folded
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.tasks import RetrievalTask

OTHER_QUERIES = (
    "Give a task of other queries. A BEIR folder is calibrated on the first of qrels/train, dev and test that it has: "
    "one with a train split has others to be measured on."
)

# Of a task's queries: so few that are in both by chance move no mean.
FEW = 0.01


def refuse_learned(
    tasks: Iterable[tuple[str, RetrievalTask]],
    read: Sequence[tuple[str, Iterable[Given]]],
    hint: str = OTHER_QUERIES,
    few: float = FEW,
) -> None:
    """Refuse queries that are asked and are among the calibration texts. Case and blanks make no difference.

    Passages may be shared: they are what is searched.

    Args:
        tasks: each with what to call it.
        read: what is learned from, each with what to call it.
        few: the share of a task's queries that may be.

    Raises:
        GapruneError: naming a task, what holds its queries, how many there are, and one of them.
    """
    learned = [(label, by_fold(texts_of(samples))) for label, samples in read]
    for task_label, task in tasks:
        asked = by_fold(task.queries.values())
        for label, texts in learned:
            shared = sorted(asked.keys() & texts.keys())
            if len(shared) > few * len(asked):
                raise GapruneError(
                    f"{len(shared):,} evaluation queries of {task_label} are calibration texts of {label}, such as "
                    f"{asked[shared[0]][:60]!r}: the score would be of what was learned.",
                    hint,
                )


def texts_of(samples: Iterable[Given]) -> Iterable[str]:
    """The query and the answer of each triplet, or each plain text."""
    for sample in samples:
        yield from texts_in(sample)[:2]


def by_fold(texts: Iterable[str]) -> dict[str, str]:
    """Texts by what they are without case and blanks."""
    return {folded(text): text for text in texts}
