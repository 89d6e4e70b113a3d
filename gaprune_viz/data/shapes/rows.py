"""The rows of any table as unchecked triplets or pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gaprune_viz.data.columns import pick, pick_object, resolve
from gaprune_viz.data.readers.table import Table
from gaprune_viz.data.schema import RawRow
from gaprune_viz.data.shapes.pairs import refuse_scored
from gaprune_viz.data.shapes.sets import unfolded


def rows_of(table: Table, mapping: Mapping[str, str], name: str) -> tuple[Iterator[RawRow], bool]:
    """The unchecked rows of an open table of triplets or pairs, and whether they are pairs: no row has a negative.

    Args:
        mapping: went through `check_mapping`.

    Raises:
        GapruneError: for missing columns, and for pairs with a score.
    """
    table = unfolded(table, name)
    if table.columns is not None:
        refuse_scored(table.columns, name)
        wanted = resolve(mapping, table.columns, name)
        found = (row for place, values in table.rows(wanted.all) for row in pick(place, values, wanted))
        return found, not wanted.negatives
    return (
        (row for place, values in table.rows(None) for row in pick_object(place, values, mapping)),
        _are_pairs(table, mapping, name),
    )


def _are_pairs(table: Table, mapping: Mapping[str, str], name: str) -> bool:
    """Whether objects that bring their own keys have a query and a positive, and none of them a negative.

    All of them are looked at, up to the first that has one: a column of empty lists makes no triplets.

    Raises:
        GapruneError: they are pairs with a score; or a row cannot be read.
    """
    first = True
    for place, values in table.rows(None):
        row = next(pick_object(place, values, mapping))
        if first:
            refuse_scored(tuple(values), name)
        if row.negatives not in (None, "", []) or (first and (row.query is None or row.positive is None)):
            return False
        first = False
    return not first
