"""The sources of one side as one set of samples, for whoever asks for a side as a whole."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from gaprune_viz.config import BETWEEN_SOURCES, LEAST_OF_SOURCE
from gaprune_viz.data.plain_texts import TextSet
from gaprune_viz.data.schema import ReadReport, TripletSet
from gaprune_viz.data.sources.naming import Source
from gaprune_viz.errors import GapruneError

Read = tuple[Source, TripletSet | TextSet]


def joined(found: Sequence[Read]) -> TripletSet | TextSet:
    """Sources one after another; one alone as it is.

    Raises:
        GapruneError: some hold triplets and some plain texts.
    """
    sets = [data for _, data in found]
    if len(sets) == 1:
        return sets[0]
    name = BETWEEN_SOURCES.join(source.name for source, _ in found)
    digest = hashlib.sha256("\n".join(data.content_hash for data in sets).encode()).hexdigest()
    report = _report(found)
    triplets = [data for data in sets if isinstance(data, TripletSet)]
    if len(triplets) == len(sets):
        return TripletSet(name, tuple(t for data in triplets for t in data.triplets), digest, report)
    if triplets:
        plain = next(source.name for source, data in found if isinstance(data, TextSet))
        raise GapruneError(
            f"{plain} holds plain texts, and other sources of its side hold triplets.",
            "Give a side triplets alone, or plain texts alone.",
        )
    return TextSet(name, tuple(t for data in sets if isinstance(data, TextSet) for t in data.texts), digest, report)


def refuse_small(found: Sequence[Read]) -> None:
    """Refuse a source with too few samples to say what it is like.

    Raises:
        GapruneError: naming it.
    """
    for source, data in found:
        if len(data.samples) < LEAST_OF_SOURCE:
            raise GapruneError(
                f"The source {source.name} has {len(data.samples)} samples; at least {LEAST_OF_SOURCE} are needed.",
                "Add samples, or join it with another source.",
            )


def _report(found: Sequence[Read]) -> ReadReport:
    reports = [(source.name, data.report) for source, data in found]
    return ReadReport(
        source=BETWEEN_SOURCES.join(report.source for _, report in reports),
        rows=sum(report.rows for _, report in reports),
        kept=sum(report.kept for _, report in reports),
        duplicates=sum(report.duplicates for _, report in reports),
        dropped=tuple(f"{name}, {line}" for name, report in reports for line in report.dropped),
        remarks=tuple(remark for _, report in reports for remark in report.remarks),
        left_out=sum(report.left_out for _, report in reports),
    )
