"""The lesson on masks that wake neurons: what its buttons do, and that its sentences follow from the numbers."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from gaprune_viz.app.frame.summary_row import headline_html
from gaprune_viz.app.page import Page
from gaprune_viz.app.session.access import visitor
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View, live
from gaprune_viz.app.tabs.learn import events
from gaprune_viz.app.tabs.learn.lesson_text import story_html, told
from gaprune_viz.config import MaskSpec, Settings
from gaprune_viz.config.presets import PRESETS
from gaprune_viz.jobs.works.lesson import CUT_WHOLE, FISHER_ALONE, Trial, tried
from gaprune_viz.jobs.works.memory_cache import KEPT
from gaprune_viz.masking.neuron_masks import Losses, losses_of, mlps_of, waking, woken_neuron
from tests.app.conftest import Held, plain

REQUEST: Any = SimpleNamespace(session_hash="test")
BALANCED = PRESETS["balanced"].settings


@pytest.fixture(scope="module")
def view(tiny_analysis: Path) -> View:
    return View(analysis=visitor().admit(tiny_analysis))


@pytest.fixture(scope="module")
def trial(view: View) -> Trial:
    """Both steps on the tiny analysis, really measured."""
    return tried(STORE.analysis(view.analysis), lambda *_: None, lambda: False, whole=True)


def bar_of(page: Page, changes: dict[Any, Any]) -> Settings:
    return page.frame.tuning.settings(changes)


def test_the_buttons_set_the_tuning_bar_and_set_it_back(page: Page, held: Held) -> None:
    lesson, frame = page.tabs["learn"].parts.lesson, page.frame
    first = events.entered(lesson, frame, held(settings=BALANCED), FISHER_ALONE)
    assert bar_of(page, first) == FISHER_ALONE
    assert first[lesson.back]["interactive"] is True
    # The second step, and the first once more, keep what was before the lesson.
    for settings in (CUT_WHOLE, FISHER_ALONE):
        values = held(settings=FISHER_ALONE, others={lesson.before: first[lesson.before]})
        again = events.entered(lesson, frame, values, settings)
        assert bar_of(page, again) == settings
        assert lesson.before not in again
    back = events.left(lesson, frame, held(settings=CUT_WHOLE, others={lesson.before: first[lesson.before]}))
    assert bar_of(page, back) == BALANCED
    assert back[lesson.before] == {}
    assert events.left(lesson, frame, held()) == {}


def test_a_bar_that_holds_no_setting_is_not_kept(page: Page, held: Held) -> None:
    lesson, controls = page.tabs["learn"].parts.lesson, page.frame.tuning.controls
    changes = events.entered(lesson, page.frame, held(others={controls["sparsity"]: 7}), FISHER_ALONE)
    assert bar_of(page, changes) == FISHER_ALONE
    assert lesson.before not in changes


def test_the_steps_measure_their_own_settings(page: Page, held: Held, view: View, trial: Trial) -> None:
    """Whatever the bar holds by then; and a page that looks at the same settings knows their losses afterwards."""
    lesson = page.tabs["learn"].parts.lesson
    for settings, found in ((FISHER_ALONE, replace(trial, whole=None)), (CUT_WHOLE, trial)):
        changed: dict[Any, Any] = {}
        for made in events.step(lesson, page.frame, settings)(held(view=view, settings=BALANCED), REQUEST):
            changed.update(made)
        assert changed[lesson.progress] == ""
        assert changed[lesson.whole]["interactive"] is True
        assert told(found)[0] in plain(changed[lesson.story])
    analysis = STORE.analysis(view.analysis)
    now = live(view, FISHER_ALONE)
    assert now.losses == losses_of(KEPT.masks(analysis, FISHER_ALONE).masks, analysis.statistics.matrices)
    for row in now.table.itertuples():
        assert row.rows_gone == now.losses.rows[row.name] / row.rows
    rows = sum(now.losses.rows.values())
    assert (f"{rows:,} of " if rows else "no row") in plain(headline_html(now))
    other = live(view, Settings(mask=MaskSpec(sparsity=0.123)))
    assert other.losses is None
    assert other.table["rows_gone"].isna().all()


def test_what_is_told_follows_from_the_numbers(trial: Trial) -> None:
    for woken, dense, before, after, says in (
        (5, 0.76, 0.40, 0.74, "gives back 94 % of what was lost: they were most of the harm"),
        (5, 0.76, 0.40, 0.50, "gives back 28 % of what was lost; the rest has other causes"),
        (5, 0.76, 0.40, 0.41, "next to nothing"),
        (1, 0.76, 0.80, 0.80, "nothing to give back"),
        (0, 0.76, 0.40, 0.40, "No neuron woke"),
    ):
        alone = replace(
            trial.alone, losses=Losses({}, {"down": woken}), comparison=_means(trial.alone.comparison, dense, before)
        )
        whole = replace(trial.alone, losses=Losses({}, {"down": 0}), comparison=_means(alone.comparison, dense, after))
        made = replace(trial, alone=alone, whole=whole)
        text = " ".join(told(made))
        assert says in text
        assert f"{dense:.2f} dense, {before:.2f} " in text
        assert f"{after:.2f} with {'them' if woken else 'neurons'} cut whole" in text
        shown = plain(story_html(made))
        assert all(f"{x:.3f}" in shown for x in (dense, before, after))
        first = " ".join(told(replace(made, whole=None)))
        assert (f"wakes {woken} neuron" in first) is bool(woken)
        assert ("No neuron wakes here" in first) is not bool(woken)
    woken = replace(trial, alone=replace(trial.alone, losses=Losses({}, {"down": 5})), biased=False)
    assert all("have no bias" in " ".join(told(one)) for one in (woken, replace(woken, whole=None)))
    assert "holds no whole MLP" in " ".join(
        told(replace(trial, alone=replace(trial.alone, losses=Losses({}, {})), neurons=False, whole=None))
    )


def _means(comparison: Any, dense: float, pruned: float) -> Any:
    return replace(
        comparison,
        dense={**comparison.dense, "ndcg_at_10": dense},
        pruned={**comparison.pruned, "ndcg_at_10": pruned},
        delta={**comparison.delta, "ndcg_at_10": pruned - dense},
    )


def test_the_one_query_is_the_one_that_changed_most(trial: Trial) -> None:
    table = trial.alone.comparison.per_query
    changed = table.set_index("query").loc[trial.query]
    assert abs(changed["delta_ndcg_at_10"]) == table["delta_ndcg_at_10"].abs().max()
    assert trial.alone.scores == (changed["dense_ndcg_at_10"], changed["pruned_ndcg_at_10"])
    differ, size = trial.differ
    assert 0 <= differ <= size


def test_waking_neurons_are_placed(view: View) -> None:
    """By hand: two rows of an `up` emptied wake two neurons; one of them keeps a single output."""
    analysis = STORE.analysis(view.analysis)
    matrices = analysis.statistics.matrices
    mlp = mlps_of(matrices)[0]
    masks = {m.name: torch.ones(m.rows, m.columns, dtype=torch.bool) for m in matrices}
    masks[mlp.feeders[0]][[2, 5]] = False
    masks[mlp.down][1:, 5] = False
    losses = losses_of(masks, matrices)
    layer = next(m.layer for m in matrices if m.name == mlp.down)
    assert losses.rows == {m.name: 2 if m.name == mlp.feeders[0] else 0 for m in matrices}
    assert losses.woken == 2
    assert losses.waking_by_layer(matrices)[layer] == 2
    assert sum(losses.waking_by_layer(matrices).values()) == 2
    assert np.flatnonzero(waking(masks, matrices)[mlp.down].numpy()).tolist() == [2, 5]
    assert woken_neuron(masks, matrices, mlp.feeders[0], 5, 0) == 5
    assert woken_neuron(masks, matrices, mlp.down, 0, 2) == 2
    assert woken_neuron(masks, matrices, mlp.down, 2, 1) is None
    attention = next(m.name for m in matrices if m.role == "query")
    assert woken_neuron(masks, matrices, attention, 2, 2) is None


def test_the_matrix_tab_says_which_neurons_wake() -> None:
    from gaprune_viz.figures.weights.matrix_window import losses_html

    text = re.sub(r"\s+", " ", plain(losses_html("Layer 0, Up", 31, 1536, {0: 2, 1: 0, 2: 1})))
    assert "31 of 1,536 rows" in text
    assert "3 (layer 0: 2, layer 2: 1)" in text
    assert "No MLP neuron wakes" in losses_html("Layer 0, Up", 0, 8, {0: 0})
    assert "neuron" not in losses_html("Layer 0, Query", 0, 8, {})
