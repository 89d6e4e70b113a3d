"""What the sources of a run share: a text in two of them would count twice, and hide how they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

from gaprune_viz.data.plain_texts import TextSet
from gaprune_viz.data.schema import PlainText, Samples, TripletSet
from gaprune_viz.errors import GapruneError


def refuse_overlap(found: Mapping[str, TripletSet | TextSet]) -> None:
    """Refuse sources that hold the same queries, or plain texts; blanks and case aside.

    Args:
        found: by the name of the source.

    Raises:
        GapruneError: naming two sources, how many texts they share, and one of these.
    """
    texts = {name: dict.fromkeys(map(folded, asked(data.samples))) for name, data in found.items()}
    for one, other in combinations(texts, 2):
        if found[one].content_hash == found[other].content_hash:
            raise GapruneError(f"The sources {one} and {other} hold the same texts.", "Leave one of them out.")
        if shared := [text for text in texts[one] if text in texts[other]]:
            raise GapruneError(
                f"The sources {one} and {other} share {len(shared):,} of {len(texts[one]):,} and {len(texts[other]):,} "
                f"different texts, such as {shared[0][:60]!r}.",
                "Take them out of one of the two: a text of both counts twice.",
            )


def asked(samples: Samples) -> Iterable[str]:
    """The query of each triplet, or each plain text."""
    return (sample.text if isinstance(sample, PlainText) else sample.query for sample in samples)


def folded(text: str) -> str:
    """A text without what does not make it another: the number of blanks, and case."""
    return " ".join(text.split()).casefold()
