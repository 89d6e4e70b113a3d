"""The sources of a transfer map: what each is calibrated on, what it is measured on, and that the two stay apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from gaprune_viz.config import TransferSpec
from gaprune_viz.data.sampling import choose
from gaprune_viz.data.schema import Embed, Triplet, TripletSet
from gaprune_viz.data.triplets import check_source, load_triplets
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import RetrievalTask
from gaprune_viz.experiments.learned import by_fold, refuse_learned, texts_of
from gaprune_viz.storage.paths import named

AT = "@"
ONTOLOGY = "ontology:"
LONGEST = 40
WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True)
class Names:
    """What a source is called, and where its triplets and its task come from."""

    label: str
    triplets: str
    task: str


@dataclass(frozen=True)
class Source:
    """One source of a map."""

    names: Names
    triplets: TripletSet
    task: RetrievalTask


Drawn = tuple[tuple[Triplet, ...], ...]


def names_of(source: str) -> Names:
    """`chemistry`, `ontology:chebi:300`, a folder, or `TRIPLETS@TASK`."""
    if AT in source and not named(source).exists():
        triplets, _, task = source.rpartition(AT)
        return Names(_label(task), triplets, task)
    # The number says how many passages the task has; there is one set of triplets.
    triplets = ":".join(source.split(":")[:2]) if source.startswith(ONTOLOGY) else source
    return Names(_label(triplets), triplets, source)


def _label(source: str) -> str:
    return source.rstrip("/").rpartition("/")[2].removeprefix(ONTOLOGY)[:LONGEST]


def open_tasks(spec: TransferSpec) -> tuple[tuple[Names, RetrievalTask], ...]:
    """What every source is measured on: read before a model is loaded.

    Raises:
        GapruneError: an unknown source, or two of one name or one task.
    """
    all_names = [names_of(source) for source in spec.sources]
    for names in (*all_names, names_of(spec.calibration.general)):
        check_source(names.triplets)
    found = tuple((names, load_task(names.task)) for names in all_names)
    for (one, task), (other, same) in combinations(found, 2):
        if one.label == other.label or task.content_hash == same.content_hash:
            raise GapruneError(
                f"{one.label} and {other.label} are one source given twice.", "Leave one of them out of --sources."
            )
    return found


def open_sources(
    spec: TransferSpec, tasks: Sequence[tuple[Names, RetrievalTask]], embed: Embed
) -> tuple[tuple[Source, ...], TripletSet]:
    """Every source with its triplets, and the general data that all are calibrated against.

    Args:
        embed: of the model; hard negatives are mined with it where a source has none.

    Raises:
        GapruneError: triplets cannot be read, are too few, are shared between sources, or hold evaluation queries.
    """
    read: dict[str, TripletSet] = {}

    def triplets(name: str) -> TripletSet:
        if name not in read:
            read[name] = load_triplets(name, embed=embed, left_out=spec.calibration.left_out)
        return read[name]

    sources = tuple(Source(names, triplets(names.triplets), task) for names, task in tasks)
    general = triplets(names_of(spec.calibration.general).triplets)
    for source in sources:
        _refuse_small(source, general, spec.calibration.samples)
    if len(general.triplets) < spec.calibration.samples:
        raise GapruneError(
            f"{general.name} has {len(general.triplets):,} calibration triplets, and {spec.calibration.samples:,} are "
            "asked for as general data.",
            "Lower --samples, or give another source to --general.",
        )
    refuse_shared(sources, general)
    return sources, general


def _refuse_small(source: Source, general: TripletSet, samples: int) -> None:
    """Every source gives equally many samples; the general one gives them twice, to both sides of its calibration."""
    both = source.triplets.content_hash == general.content_hash
    wanted, there = samples * (2 if both else 1), len(source.triplets.triplets)
    if there < wanted:
        more = f": {samples:,} for its domain side and other {samples:,} for the general side" if both else ""
        raise GapruneError(
            f"{source.names.label} is too small: it has {there:,} triplets to calibrate on, not {wanted:,}{more}.",
            f"Lower --samples to {there * samples // wanted}, or leave it out: all sources give equally many.",
        )


def refuse_shared(sources: Sequence[Source], general: TripletSet) -> None:
    """Refuse what would leak: a text that two sources are calibrated on, or a query that is both learned and asked.

    Passages may be shared by the calibration and the evaluation of one source: they are what is searched. A query that
    is asked must not be among any calibration texts.

    Raises:
        GapruneError: naming the sources and the first such text.
    """
    texts = {source.names.label: by_fold(texts_of(source.triplets.triplets)) for source in sources}
    if all(source.triplets.content_hash != general.content_hash for source in sources):
        texts["the general data"] = by_fold(texts_of(general.triplets))
    for (one, mine), (other, theirs) in combinations(texts.items(), 2):
        if shared := sorted(mine.keys() & theirs.keys()):
            raise GapruneError(
                f"{one} and {other} share {len(shared):,} calibration texts, such as {mine[shared[0]][:60]!r}: what "
                "one learns would count for the other.",
                "Leave one of them out, or take these texts out of one.",
            )
    refuse_learned(
        ((source.names.label, source.task) for source in sources),
        [*((s.names.label, s.triplets.triplets) for s in sources), ("the general data", general.triplets)],
        "Give a source whose calibration and evaluation have different queries.",
        few=0,
    )


def drawn(sources: Sequence[Source], general: TripletSet, spec: TransferSpec, seed: int, embed: Embed) -> Drawn:
    """The calibration triplets of every source, and at the end those of the general side, equally many each.

    The source that is the general data gives its domain side other triplets than the general side.
    """
    samples, sampling = spec.calibration.samples, spec.calibration.sampling

    def chosen(triplets: Sequence[Triplet]) -> tuple[Triplet, ...]:
        return tuple(triplets[i] for i in choose(triplets, samples, sampling, seed, embed)[:samples])

    side = chosen(general.triplets)
    taken = set(side)
    domains = []
    for source in sources:
        own = source.triplets.triplets
        if source.triplets.content_hash == general.content_hash:
            own = tuple(triplet for triplet in own if triplet not in taken)
        domains.append(chosen(own))
    return (*domains, side)


def shuffled(texts: Drawn, seed: int) -> Drawn:
    """The same triplets dealt out anew between the sources; the general side stays."""
    *domains, side = texts
    pool = [triplet for domain in domains for triplet in domain]
    order, size = np.random.default_rng(seed).permutation(len(pool)), len(domains[0])
    dealt = (order[i : i + size] for i in range(0, len(pool), size))
    return (*(tuple(pool[i] for i in sorted(part)) for part in dealt), side)


def word_overlap(texts: Drawn) -> list[list[float]]:
    """Jaccard index of the sets of words, stop words aside, of every two sources' calibration texts."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    read = [" ".join(text for t in domain for text in (t.query, t.positive, *t.negatives)) for domain in texts[:-1]]
    words = [set(WORD.findall(text.casefold())) - ENGLISH_STOP_WORDS for text in read]
    return [[len(a & b) / max(1, len(a | b)) for b in words] for a in words]


def as_lines(triplets: Sequence[Triplet]) -> Iterable[Mapping[str, object]]:
    """Triplets as the lines of a file that `load_triplets` reads."""
    return ({"query": t.query, "positive": t.positive, "negative": list(t.negatives)} for t in triplets)
