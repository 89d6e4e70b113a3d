"""How retrieval is measured where queries are passages of the collection too."""

from __future__ import annotations

from enum import StrEnum

from gaprune_viz.errors import GapruneError


class IdenticalIds(StrEnum):
    """Whether a query finds the passage that has its own id."""

    AUTO = "auto"
    LEAVE_OUT = "leave-out"
    KEEP = "keep"


IDENTICAL_IDS_MARK = "#identical-ids="
IDENTICAL_IDS_HELP = (
    "Where a query is a passage of the collection too (ArguAna, Quora): `leave-out` never returns the passage of the "
    "query's own id, `keep` ranks it like any other, `auto` leaves it out where query and passage ids are shared and "
    "no query is judged to be answered by its own. Wherever a task is named, FOLDER#identical-ids=keep says the same."
)


def task_source(text: str) -> tuple[str, IdenticalIds]:
    """A task's name as a person writes it, and what it says of identical ids: `FOLDER#identical-ids=keep`.

    Raises:
        GapruneError: it says something else.
    """
    source, mark, choice = text.partition(IDENTICAL_IDS_MARK)
    if not mark:
        return text, IdenticalIds.AUTO
    try:
        return source, IdenticalIds(choice)
    except ValueError as error:
        raise GapruneError(
            f"{choice[:80]!r} is no choice for identical ids.", f"Use one of: {', '.join(IdenticalIds)}."
        ) from error
