"""Live re-ranking: the dense top 50 under the exact mask, stopped by the next move; both sides measured together."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.app.page import Page
from gaprune_viz.app.session.access import visitor
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View
from gaprune_viz.app.tabs.retrieval import events as retrieval_events
from gaprune_viz.app.tabs.retrieval import live
from gaprune_viz.config import SIDES, MaskSpec, Settings
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.jobs import process
from gaprune_viz.jobs.works import searching as search
from gaprune_viz.jobs.works.lru_cache import Cache
from gaprune_viz.jobs.works.memory_cache import KEPT
from tests.app.conftest import Held, merged, plain, quiet
from tests.beir_folders import write_beir

REQUEST: Any = SimpleNamespace(session_hash="live")
SETTINGS = Settings(mask=MaskSpec(sparsity=0.8))


@pytest.fixture(scope="module")
def view(tiny_analysis: Path) -> View:
    return View(analysis=visitor().admit(tiny_analysis))


@pytest.fixture
def analysis(view: View) -> Analysis:
    return STORE.analysis(view.analysis)


def asked(pick: str = "", text: str = "") -> dict[str, str]:
    return {"source": "chemistry", "pick": pick, "text": text}


def rerank(
    page: Page,
    held: Held,
    view: View,
    settings: Settings,
    query: dict[str, str],
    active: str = "retrieval",
    on: bool = True,
) -> Iterator[dict[Any, Any]]:
    """What a move of the settings does with the query on screen."""
    tab = page.tabs["retrieval"].parts
    moved = held(view=view, settings=settings, active=active, others={tab.live: on, tab.asked: query})
    return live.rerank(tab, page.frame)(moved, REQUEST)


def searched(page: Page, held: Held, view: View, settings: Settings, pick: str | None = None) -> dict[Any, Any]:
    """What the page holds, where chemistry is searched with a sample query."""
    tab = page.tabs["retrieval"].parts
    return held(
        view=view, settings=settings, others={tab.task: "chemistry", tab.pick: pick, tab.text: "", tab.live: True}
    )


@pytest.mark.parametrize("typed", [False, True])
def test_the_dense_top_50_are_ranked_as_in_the_whole_collection(analysis: Analysis, typed: bool) -> None:
    task = load_task("chemistry")
    pick = next(iter(task.queries))
    text = "what dissolves in water" if typed else ""
    query, sides, _ = search.rerank_query(analysis, SETTINGS, asked(pick, text), quiet, lambda: False)
    _, whole, _ = search.compare_query(analysis, SETTINGS, "chemistry", pick, text, quiet, lambda: False)
    assert query == (text or task.queries[pick])
    assert sides.passages == search.LIVE_DEPTH == 50
    assert [(p.id, p.dense_rank) for p in sides.dense] == [(p.id, p.dense_rank) for p in whole.dense]
    # Within the fifty, order and cosines are those of the search over all.
    scores = {p.id: p.pruned_score for p in whole.pruned}
    for passage in sides.pruned:
        if passage.id in scores:
            assert passage.pruned_score == pytest.approx(scores[passage.id], abs=1e-5)
    kept = [p.id for p in whole.pruned if p.dense_rank <= 50]
    assert [p.id for p in sides.pruned][: len(kept)] == kept
    assert {p.id for p in sides.pruned if p.relevant} <= (frozenset() if typed else task.relevant(pick))


def test_a_small_collection_is_ranked_whole(analysis: Analysis, tmp_path: Path) -> None:
    source = str(write_beir(tmp_path / "few", 0))
    _, sides, _ = search.rerank_query(analysis, SETTINGS, {**asked("q0"), "source": source}, quiet, lambda: False)
    assert sides.passages == len(sides.dense) == 8


@pytest.mark.parametrize(("choice", "found"), [("", 7), ("#identical-ids=leave-out", 7), ("#identical-ids=keep", 8)])
def test_a_query_that_is_a_passage_does_not_find_itself(
    analysis: Analysis, tmp_path: Path, choice: str, found: int
) -> None:
    folder = write_beir(tmp_path / "own", 0)
    passages = folder / "corpus.jsonl"
    # Passages are called as the queries are; each query is answered by the passage after its own.
    passages.write_text(passages.read_text().replace('"_id": "p', '"_id": "q'))
    (folder / "qrels" / "test.tsv").write_text("\n".join(f"q{i}\tq{i + 1}\t1" for i in range(5)))
    source = f"{folder}{choice}"
    for look in (
        lambda: search.rerank_query(analysis, SETTINGS, {**asked("q3"), "source": source}, quiet, lambda: False),
        lambda: search.compare_query(analysis, SETTINGS, source, "q3", "", quiet, lambda: False),
    ):
        _, sides, _ = look()
        assert sides.passages == found
        assert ("q3" in {p.id for p in (*sides.dense, *sides.pruned)}) == (found == 8)
    measured = search.measure_tasks(analysis, SETTINGS, [source], quiet, lambda: False)[0]
    assert measured.comparison.own_left_out == (5 if found == 7 else 0)
    # A typed query is nobody's own.
    _, typed, _ = search.compare_query(analysis, SETTINGS, source, None, "a loan", quiet, lambda: False)
    assert typed.passages == 8


def test_a_move_shows_the_new_ranking_and_says_what_it_is(page: Page, held: Held, view: View) -> None:
    pick = next(iter(load_task("chemistry").queries))
    work = rerank(page, held, view, SETTINGS, asked(pick))
    html = plain(merged(work)[page.tabs["retrieval"].parts.ranking])
    assert "Live: the dense top 50 re-ranked under the exact mask at 80.0 %." in html
    assert "press Compare to search the whole collection" in html
    assert load_task("chemistry").queries[pick] in html
    assert live._running == {}


@pytest.mark.parametrize(
    ("active", "wanted", "query"),
    [("atlas", True, asked("x")), ("retrieval", False, asked("x")), ("retrieval", True, {})],
)
def test_nothing_is_computed_where_nobody_looks(
    page: Page, held: Held, view: View, active: str, wanted: bool, query: dict[str, str]
) -> None:
    assert list(rerank(page, held, view, SETTINGS, query, active, wanted)) == [{}]


def test_the_next_move_stops_a_re_ranking(page: Page, held: Held, view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    ask = process.Host.ask

    def slow(*given: Any) -> None:
        begun.set()
        assert go_on.wait(60)
        ask(*given)

    monkeypatch.setattr(process.Host, "ask", slow)
    pick = next(iter(load_task("chemistry").queries))
    settings, tab = Settings(mask=MaskSpec(sparsity=0.33)), page.tabs["retrieval"].parts
    work = rerank(page, held, view, settings, asked(pick))
    next(work)
    stopper = threading.Thread(target=lambda: (begun.wait(60), move(page, settings), go_on.set()))
    stopper.start()
    found = merged(work)
    stopper.join()
    assert tab.ranking not in found
    assert "unchanged" in plain(found[tab.progress])


def move(page: Page, under_way: Settings) -> None:
    """The same settings stop nothing, another page's neither; others do."""
    interrupt, tuning = live.interrupt(page.frame), page.frame.tuning
    interrupt(tuning.set(under_way), REQUEST)
    interrupt(tuning.set(SETTINGS), SimpleNamespace(session_hash="other"))
    assert not live._running["live"][1].is_set()
    interrupt(tuning.set(SETTINGS), REQUEST)
    assert live._running["live"][1].is_set()


def test_what_is_no_setting_stops_the_re_ranking_too(page: Page) -> None:
    interrupt, tuning = live.interrupt(page.frame), page.frame.tuning
    flag = threading.Event()
    live._running["live"] = ("key", flag)
    interrupt(dict.fromkeys(tuning.all, "nonsense"), REQUEST)
    assert flag.is_set()
    del live._running["live"]
    interrupt(tuning.set(SETTINGS), REQUEST)


def test_a_comparison_begins_with_the_dense_models_best(page: Page, held: Held, view: View) -> None:
    tab, pick = page.tabs["retrieval"].parts, next(iter(load_task("chemistry").queries))
    values = searched(page, held, view, Settings(mask=MaskSpec(sparsity=0.37)), pick)
    steps = [step for step in retrieval_events.compare_query(tab, page.frame)(values, REQUEST) if tab.ranking in step]
    first, whole = (plain(step[tab.ranking]) for step in steps)
    assert "First the dense top 50 re-ranked under the exact mask at 37.0 %." in first
    assert "First" not in whole
    assert [step[tab.asked] for step in steps] == [asked(pick)] * 2
    # What has been read already is shown at once.
    again = [step for step in retrieval_events.compare_query(tab, page.frame)(values, REQUEST) if tab.ranking in step]
    assert [plain(step[tab.ranking]) for step in again] == [whole]
    assert live._running == {}


def test_a_move_ends_a_comparison_whose_first_ranking_is_there(
    page: Page, held: Held, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab, pick = page.tabs["retrieval"].parts, next(iter(load_task("chemistry").queries))
    settings, told = Settings(mask=MaskSpec(sparsity=0.38)), live.live_html

    def shown(*given: Any) -> str:
        found = told(*given)
        # The page moves on as soon as the browser has it.
        threading.Timer(0.01, lambda: live.interrupt(page.frame)(page.frame.tuning.set(SETTINGS), REQUEST)).start()
        return found

    monkeypatch.setattr(live, "live_html", shown)
    monkeypatch.setattr(retrieval_events, "asked", slowly(retrieval_events.asked))
    values = searched(page, held, view, settings, pick)
    steps = list(retrieval_events.compare_query(tab, page.frame)(values, REQUEST))
    assert len([step for step in steps if tab.ranking in step]) == 1
    assert "says what it is of" in plain(steps[-1][tab.progress])


def slowly(work: Any) -> Any:
    """The same, which goes on for a second after its first news."""

    def asked(*given: Any, heard: Any, **values: Any) -> Any:
        *_, report, stopped = given

        def told(part: Any) -> None:
            heard(part)
            until = time.monotonic() + 10
            while not stopped() and time.monotonic() < until:
                report("Encoding", 1, 2)
                time.sleep(0.01)

        return work(*given, heard=told, **values)

    return asked


def test_a_comparison_leaves_its_query_for_live_mode(page: Page, held: Held, view: View) -> None:
    tab, pick = page.tabs["retrieval"].parts, next(iter(load_task("chemistry").queries))
    values = searched(page, held, view, SETTINGS, pick)
    found = merged(retrieval_events.compare_query(tab, page.frame)(values, REQUEST))
    assert found[tab.asked] == asked(pick)
    assert "Live" not in plain(found[tab.ranking])
    values = searched(page, held, view, SETTINGS)
    found = merged(retrieval_events.surprise(tab, page.frame)(values, REQUEST))
    assert found[tab.asked] == asked(found[tab.pick])


def test_both_sides_are_measured_and_shown_beside_each_other(page: Page, held: Held, view: View) -> None:
    tab = page.tabs["retrieval"].parts
    found = merged(retrieval_events.measure(tab, page.frame)(searched(page, held, view, SETTINGS), REQUEST))
    html = plain(found[tab.metrics])
    assert re.search(r"chemistry keeps [\d.]+ % of dense nDCG@10 \(.*, 95 % .* to .*, p .*\); general keeps", html)
    assert html.count("Recall@100") >= 2
    assert html.count("count as one group: the intervals draw") == 2
    for side in SIDES:
        assert found[tab.per_query[side]]["visible"] is True
        assert found[tab.maps[side]]["visible"] is True
    assert set(found[tab.per_query_table]["Collection"]) == {"chemistry", "general"}
    assert set(found[tab.map_table]["Collection"]) == {"chemistry", "general"}
    points = sum(len(load_task(name).queries) + len(load_task(name).corpus) for name in ("chemistry", "general"))
    assert len(found[tab.map_table]) == points


def test_another_process_would_encode_nothing(
    page: Page, held: Held, view: View, analysis: Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gaprune_viz.models.encoder import EmbeddingModel

    settings, tab = Settings(mask=MaskSpec(sparsity=0.61)), page.tabs["retrieval"].parts
    merged(retrieval_events.measure(tab, page.frame)(searched(page, held, view, settings), REQUEST))
    monkeypatch.setattr(KEPT, "_embeddings", Cache(32))

    def refuse(*_: object, **__: object) -> np.ndarray:
        raise AssertionError("encoded again")

    monkeypatch.setattr(EmbeddingModel, "embed", refuse)
    found = search.measure_tasks(analysis, settings, ["chemistry", "general"], quiet, lambda: False)
    assert [one.comparison.queries > 100 for one in found] == [True, True]


def test_where_the_general_collection_is_searched_its_domain_stands_beside_it(analysis: Analysis) -> None:
    assert search.both_sides(analysis, "finance") == ["finance", "general"]
    # The tiny analysis has a domain of its own, which is no collection to search.
    assert search.both_sides(analysis, "general") == ["general", "general"]
    demo = STORE.analysis("demo")
    assert search.both_sides(demo, "general") == [demo.run.calibration.domain, "general"]
