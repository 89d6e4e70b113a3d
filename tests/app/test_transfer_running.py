"""Running a transfer map from the Domains tab: described by the page, estimated, run, stopped, gone on with, opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gaprune_viz.app.frame import experiment
from gaprune_viz.app.page import Page
from gaprune_viz.app.session.access import Access, Visitor, visit
from gaprune_viz.app.tabs.domains import events
from gaprune_viz.app.tabs.domains.finished_maps import MAPS
from gaprune_viz.app.tabs.domains.run_panel import described
from gaprune_viz.app.tabs.domains.selection import Place
from gaprune_viz.config import Sampling, ServeSpec, TransferSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.transfer.document import open_transfer
from gaprune_viz.jobs import watched_work
from tests.app.conftest import Held, plain, told
from tests.beir_folders import write_beir

SESSION = "transfer-session"
REQUEST: Any = SimpleNamespace(session_hash=SESSION)
Asked = Callable[..., dict[Any, Any]]


@pytest.fixture
def asked(
    page: Page,
    held: Held,
    tiny_bert: Path,
    tiny_triplets: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Asked:
    """What a page holds that asks for a map of two sources on the tiny model."""
    monkeypatch.setenv("GAPRUNE_VIZ_WORKSPACE", str(tmp_path / "workspace"))
    panel, side = page.tabs["domains"].parts.running, page.frame.sidebar.controls
    tasks = (write_beir(tmp_path / name, shift) for name, shift in (("near", 0), ("far", 3)))
    usual = {
        side["model"]: str(tiny_bert),
        side["domain"]: "a domain that a map does not read",
        side["general"]: str(tiny_triplets[1]),
        side["samples"]: 12,
        side["sampling"]: Sampling.ALL,
        side["scope"]: "mlp",
        panel.sources: ", ".join(f"{triplets}@{task}" for triplets, task in zip(tiny_triplets, tasks, strict=True)),
        panel.criteria: ["balanced"],
        panel.sparsities: "0.5",
        panel.samples: 6,
        panel.refit: False,
        panel.control: False,
    }
    return lambda **changed: held(others={**usual, **{getattr(panel, name): value for name, value in changed.items()}})


def handlers(page: Page) -> tuple[Any, Callable[..., Any], Callable[..., Any]]:
    """The panel, and what its two buttons do."""
    tab, frame = page.tabs["domains"].parts, page.frame
    panel = tab.running.experiment

    def describe(values: Any) -> Any:
        return described(tab.running, frame, values)

    return (
        panel,
        experiment.estimating(panel, "transfer", describe),
        experiment.running(panel, "transfer", describe, lambda folder: events.finished(tab, folder)),
    )


@pytest.mark.slow
def test_a_map_is_foreseen_run_stopped_gone_on_with_and_opened(page: Page, asked: Asked) -> None:
    panel, estimate, run = handlers(page)
    values, tab = asked(name="own"), page.tabs["domains"].parts
    # Two dense, two calibrations on two tasks, and one pair of masks.
    assert "7 cells, 2 analyses: about" in told(estimate(values, REQUEST), panel.progress)[-1]
    stopped, cells, last = list[str](), list[Any](), dict[Any, Any]()
    for step in run(values, REQUEST):
        stopped += told([step], panel.progress)
        if any("%" in text for text in stopped):
            watched_work.stop(SESSION)
    assert "Finished cells are kept" in stopped[-1]
    for step in run(values, REQUEST):
        cells += [step[panel.cells]["value"]] if panel.cells in step else []
        last = step
    assert "Done." in plain(last[panel.progress])
    document = open_transfer(described(tab.running, page.frame, values).folder)
    assert document["cells"] == 7 and document["spec"]["calibration"]["samples"] == 6
    assert ("own", "own:transfer-own") in MAPS.choices()
    assert last[tab.pick]["value"] == "own:transfer-own" and Place.of(last[tab.place]).name == "own:transfer-own"
    assert set(tab.opened) <= last.keys() and "near" in plain(last[tab.says])
    assert set(cells[-1]["Row"]) <= {"dense", "balanced"} and len(cells[-1]) > 0


def test_the_sidebar_gives_what_every_calibration_shares(page: Page, asked: Asked) -> None:
    panel = page.tabs["domains"].parts.running
    found = described(panel, page.frame, asked(refit=True, control=True))
    assert isinstance(found.spec, TransferSpec) and found.folder.name == "transfer-mine"
    calibration = found.spec.calibration
    assert (calibration.samples, calibration.scope, calibration.sampling) == (6, "mlp", Sampling.RANDOM)
    assert found.spec.refit.refit and found.spec.control and len(found.spec.sources) == 2
    lists = ("sources", "criteria", "sparsities")
    fresh = {name: getattr(panel, name).value for name in (*lists, "samples", "control", "refit")}
    spec, usual = described(panel, page.frame, asked(**fresh)).spec, TransferSpec()
    assert isinstance(spec, TransferSpec)
    assert all(getattr(spec, name) == getattr(usual, name) for name in (*lists, "control", "refit"))
    assert spec.calibration.samples == usual.calibration.samples


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": ""}, "A map needs a name"),
        ({"name": "../x"}, "A map needs a name"),
        ({"name": "x."}, "A map needs a name"),
        ({"sources": "chemistry"}, "at least two sources"),
        ({"sources": None}, "at least two sources"),
        ({"sources": "chemistry, chemistry"}, "twice"),
        ({"sources": "chemistry, " + "x" * 300 + "@" + "y" * 700}, "cannot be read"),
        ({"sources": "chemistry, finance#identical-ids=perhaps"}, "no choice for identical ids"),
        ({"criteria": []}, "criteria: "),
        ({"sparsities": "lots"}, "is not a list of numbers"),
        ({"sparsities": "0.99"}, "at most 0.95"),
        ({"samples": 1}, "samples: "),
    ],
)
def test_a_map_that_makes_no_sense_is_one_line(changed: dict[str, Any], words: str, page: Page, asked: Asked) -> None:
    panel, _, run = handlers(page)
    assert words in told(run(asked(**changed), REQUEST), panel.progress)[-1]


def test_a_public_page_runs_none(page: Page, asked: Asked, tiny_bert: Path) -> None:
    panel, _, run = handlers(page)
    parts, side = page.tabs["domains"].parts.running, page.frame.sidebar.controls
    with visit(Visitor(Access(ServeSpec(public=True, models=(str(tiny_bert),))), SESSION)):
        assert "runs no experiments" in told(run(asked(), REQUEST), panel.progress)[-1]
        # Where it ran any, it would read neither part of a stranger's source.
        for sources in ("chemistry@/etc, finance", "/etc/hosts@chemistry, finance"):
            values = {**asked(sources=sources), side["general"]: "general"}
            with pytest.raises(GapruneError, match="starter collections and your own uploads only"):
                described(parts, page.frame, values)
