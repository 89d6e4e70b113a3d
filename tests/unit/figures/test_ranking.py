"""Rankings on the page: true ranks and moves, and no markup from anybody's text."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from gaprune_viz.evaluation.ranking import SideBySide, side_by_side
from gaprune_viz.evaluation.tasks import Passage
from gaprune_viz.figures.retrieval.ranking import ranking_html, ranking_table
from tests.unit.figures.reader import HOSTILE, Reader, row_of


def passages(count: int = 30) -> list[Passage]:
    return [Passage(f"p{i:02}", f"text {i}", f"title {i}", f"topic {i}") for i in range(count)]


def scores(count: int = 30) -> np.ndarray:
    """Passage i has rank i + 1."""
    return np.linspace(0.9, 0.1, count, dtype=np.float32)


def sides(relevant: tuple[str, ...] = ("p02",)) -> SideBySide:
    """Dense order 0, 1, 2, ...; pruned: 1 and 0 changed places, 22 came to rank 3, 2 went to rank 23."""
    after = scores()
    after[[0, 1, 2, 22]] = after[[1, 0, 22, 2]]
    return side_by_side(scores(), after, passages(), relevant)


def said_of(html: str, title: str, side: str) -> str:
    """What is said of a passage in one of the two lists."""
    items = Reader(html).items
    half = items[: len(items) // 2] if side == "dense" else items[len(items) // 2 :]
    (found,) = (re.sub(r"\s+", " ", item["said"]) for item in half if f" {title} " in item["said"])
    return found


def test_both_lists_hold_ten_passages_in_order() -> None:
    items = Reader(ranking_html("query", sides())).items
    ranks = [int(re.search(r"rank\s+(\d+)", item["said"])[1]) for item in items]  # pyright: ignore[reportOptionalSubscript]
    assert ranks == [*range(1, 11), *range(1, 11)]


def test_fewer_passages_can_be_asked_for() -> None:
    assert len(Reader(ranking_html("query", sides(), k=3)).items) == 6


def test_a_move_is_said_in_words_with_the_other_rank() -> None:
    html = ranking_html("query", sides())
    assert "up 1 place, was 2" in said_of(html, "title 1", "pruned")
    assert "down 1 place, now 2" in said_of(html, "title 0", "dense")
    assert "same" in said_of(html, "title 5", "pruned")


def test_a_passage_from_outside_the_other_list_is_new_or_out_with_its_true_rank() -> None:
    html = ranking_html("query", sides())
    assert "new: was 23" in said_of(html, "title 22", "pruned")
    assert "out: now 23" in said_of(html, "title 2", "dense")


def test_where_a_list_is_cut_short_new_means_new_in_what_is_shown() -> None:
    html = ranking_html("query", side_by_side(scores(4), scores(4)[::-1].copy(), passages(4)), k=2)
    assert "new: was 4" in said_of(html, "title 3", "pruned")


def test_scores_and_their_change_are_shown() -> None:
    before, after = np.array([0.5, 0.4], np.float32), np.array([-0.25, 0.45], np.float32)
    html = ranking_html("query", side_by_side(before, after, passages(2)))
    assert "0.400" in said_of(html, "title 1", "dense")
    said = said_of(html, "title 0", "pruned")
    assert "−0.250" in said and "−0.750" in said


def test_a_relevant_passage_is_marked_in_words() -> None:
    html = ranking_html("query", sides(("p02",)))
    assert "relevant" in said_of(html, "title 2", "dense")
    assert [item["relevant"] for item in Reader(html).items].count("yes") == 1
    assert "relevant" not in said_of(html, "title 5", "dense")


def test_a_query_without_known_answers_says_so() -> None:
    assert "none of them is known to answer" in " ".join(Reader(ranking_html("typed", sides(()))).said)


@pytest.mark.parametrize("field", ["query", "title", "text", "topic"])
def test_nobodys_text_becomes_markup(field: str) -> None:
    corpus = passages()
    if field != "query":
        corpus[0] = replace(corpus[0], **{field: HOSTILE})
    html = ranking_html(HOSTILE if field == "query" else "query", side_by_side(scores(), scores(), corpus))
    reader = Reader(html)
    assert not {"script", "img"} & set(reader.tags)
    assert HOSTILE in " ".join(reader.said)


def test_a_quote_cannot_leave_an_attribute() -> None:
    hostile = "\" onmouseover='alert(1)' x=\""
    corpus = [Passage("a", hostile, hostile, hostile), Passage("b", hostile)]
    Reader(ranking_html(hostile, side_by_side(scores(2), scores(2), corpus)))


def test_a_passage_without_title_is_shown_by_its_first_words_and_read_in_full() -> None:
    text = "word " * 200 + "end"
    html = ranking_html("query", side_by_side(scores(1), scores(1), [Passage("a", text)]))
    summary = re.search(r"<summary>(.*?)</summary>", html)
    assert summary and len(summary[1]) < 150 and summary[1].startswith("word word")
    assert text in html
    assert "<details" in html


def test_empty_rankings_are_told() -> None:
    assert "No passages" in " ".join(Reader(ranking_html("query", SideBySide((), (), 0.0))).said)


def test_the_table_of_a_ranking_has_every_passage_once_with_both_ranks() -> None:
    table = ranking_table(sides()).set_index("Id")
    assert len(table) == 11 and table.index.is_unique
    assert row_of(table, "p02", ["Dense rank", "Pruned rank", "Relevant"]) == [3, 23, "yes"]
    assert row_of(table, "p22", ["Dense rank", "Pruned rank", "Relevant"]) == [23, 3, ""]
