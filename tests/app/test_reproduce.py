"""What the page gives to copy, run as it stands, gives the numbers that the page shows."""

from __future__ import annotations

import re
import shlex
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gaprune_viz.app.frame.summary_row import headline_html
from gaprune_viz.app.page import Page
from gaprune_viz.app.session.access import visitor
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View, live
from gaprune_viz.app.tabs.retrieval import events as retrieval_events
from gaprune_viz.config import MaskSpec, ScoreSpec, Settings
from gaprune_viz.jobs.works import searching
from tests.app.conftest import Held
from tests.commands import Run

REQUEST: Any = SimpleNamespace(session_hash="test")
SETTINGS = Settings(
    score=ScoreSpec(beta=0.3, fisher_scale="auto", fisher_power=0.5, alignment="correlation"),
    mask=MaskSpec(sparsity=0.6, allocation="matrix"),
)


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


@pytest.mark.slow
def test_shell_and_python_give_the_numbers_of_the_page(
    page: Page,
    held: Held,
    run: Run,
    tiny_analysis: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    view, export, tab = (
        View(analysis=visitor().admit(tiny_analysis)),
        page.tabs["export"].parts,
        page.tabs["retrieval"].parts,
    )
    values = held(view=view, settings=SETTINGS, active="export", others={tab.task: "general"})
    followed = page.following.follow(values)
    shell, python = followed[export.shell], followed[export.python]

    # What the page shows: retrieval measured, then the cards, which know the exact mask by now.
    changed: dict[Any, Any] = {}
    for step in retrieval_events.measure(tab, page.frame)(values, REQUEST):
        changed.update(step)
    shown = plain(changed[tab.metrics])
    headline = plain(headline_html(live(view, SETTINGS)))
    sentence = live(view, SETTINGS).preview.sentence

    monkeypatch.chdir(tmp_path)
    results = [run(*shlex.split(line)[1:]) for line in shell.splitlines()]
    assert [result.status for result in results] == [0] * 4, results
    diagnosed, compared = results[1].json(), results[3].json()
    assert diagnosed["sentence"] == sentence
    assert f"exact mask: {100 * diagnosed['sparsity']:.1f} %" in headline
    for side in ("dense", "pruned"):
        assert f"{compared[side]['ndcg_at_10']:.3f}" in shown
        assert f"{compared[side]['map']:.3f}" in shown
    # Beyond what is rounded for the screen.
    source = STORE.analysis(view.analysis)
    exact = searching.measure_tasks(source, SETTINGS, ["general"], lambda *_: None, lambda: False)[0].comparison
    assert compared["dense"]["ndcg_at_10"] == pytest.approx(exact.dense["ndcg_at_10"], abs=1e-9)
    assert compared["pruned"]["ndcg_at_10"] == pytest.approx(exact.pruned["ndcg_at_10"], abs=1e-9)

    (tmp_path / "again").mkdir()
    monkeypatch.chdir(tmp_path / "again")
    capfd.readouterr()
    exec(python, {})
    said, numbers = capfd.readouterr().out.strip().splitlines()[-2:]
    assert said == sentence
    assert [float(number) for number in numbers.split()] == pytest.approx(
        [exact.dense["ndcg_at_10"], exact.pruned["ndcg_at_10"]], abs=1e-9
    )
