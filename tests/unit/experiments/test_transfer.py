"""A transfer map on the tiny model: killed and resumed, its numbers, its words, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gaprune_viz
from gaprune_viz.calibration.progress import drain
from gaprune_viz.cli.transfer import transfer_spec
from gaprune_viz.config import TransferSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.transfer.document import TRANSFER_FILE, check_transfer, open_transfer
from gaprune_viz.experiments.transfer.findings import by_chance, findings, map_at, verdict
from gaprune_viz.experiments.transfer.markdown import transfer_markdown
from gaprune_viz.experiments.transfer.plan import cells
from gaprune_viz.experiments.transfer.runner import run_transfer
from gaprune_viz.experiments.transfer.sources import names_of
from gaprune_viz.experiments.transfer.tables import frame, shared_places
from tests.beir_folders import write_beir
from tests.commands import Run
from tests.conftest import DOMAIN_TRIPLETS, GENERAL_TRIPLETS, write_triplets

ALL = (*DOMAIN_TRIPLETS, *GENERAL_TRIPLETS)
NAMES = ("one", "two", "three", "four", "five")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Five sources of four triplets and a task each; the last is the general data, and has eight."""
    place = tmp_path_factory.mktemp("sources")
    parts = [ALL[4 * i : 4 * i + (8 if i == 4 else 4)] for i in range(5)]
    found = {}
    for shift, (name, rows) in enumerate(zip(NAMES, parts, strict=True)):
        found[name] = f"{write_triplets(place / f'{name}.jsonl', rows)}@{write_beir(place / name, shift)}"
    return found


def flags(given: dict[str, str], tiny: Path, **more: str) -> dict[str, str]:
    usual = {
        "model": str(tiny),
        "device": "cpu",
        "samples": "4",
        "sources": ",".join(given.values()),
        "general": given["five"].partition("@")[0],
        "criteria": "magnitude,balanced,wanda",
        "sparsities": "0.3,0.5,0.7",
    }
    return {**usual, **more}


def spec_of(given: dict[str, str], **more: Any) -> TransferSpec:
    return transfer_spec({**given, **more})


@pytest.fixture(scope="module")
def killed(sources: dict[str, str], tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    """Five sources, three criteria, three sparsities: a folder whose run was killed, its spec, and the kept cells."""
    folder, given = tmp_path_factory.mktemp("maps") / "killed", flags(sources, tiny_bert)
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    command = [sys.executable, "-m", "gaprune_viz", "transfer", "--out", str(folder), "--no-control", *words]
    env = {**os.environ, "PYTHONPATH": str(Path(gaprune_viz.__file__).parents[1])}
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 240
    while len(list((folder / "cells").glob("*.json"))) < 40:
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {place.name: place.stat().st_mtime_ns for place in (folder / "cells").glob("*.json")}
    return folder, spec_of(given, control=False), kept


@pytest.fixture(scope="module")
def resumed(killed: tuple[Path, Any, Any]) -> dict[str, Any]:
    """The same map, run again to its end."""
    folder, spec, _ = killed
    assert not (folder / TRANSFER_FILE).exists()
    return drain(run_transfer(spec, folder))


@pytest.mark.slow
def test_a_map_that_was_killed_goes_on_and_repeats_no_cell(
    killed: tuple[Path, Any, Any], resumed: dict[str, Any]
) -> None:
    folder, spec, kept = killed
    stored = list((folder / "cells").glob("*.json"))
    assert all((folder / "cells" / name).stat().st_mtime_ns == then for name, then in kept.items())
    assert resumed["cells"] == len(cells(spec)) == 5 + 3 * 3 * (25 + 10)
    # Magnitude reads no texts: it is measured once on each task, and its masks are compared once.
    assert len(stored) == 5 + 2 * 3 * (25 + 10) + 3 * (5 + 1)
    before = {place.name: place.stat().st_mtime_ns for place in stored}
    assert drain(run_transfer(spec, folder)) == resumed == open_transfer(folder)
    assert {place.name: place.stat().st_mtime_ns for place in (folder / "cells").glob("*.json")} == before


@pytest.mark.slow
def test_the_numbers_are_those_of_the_cells(resumed: dict[str, Any]) -> None:
    one = map_at(resumed, "balanced", 0.7)
    assert one is not None
    of_dense = np.array([[score["of_dense"] for score in row] for row in one["scores"]])
    n = len(NAMES)
    own = of_dense.diagonal()
    others = (of_dense.sum(axis=0) - own) / (n - 1)
    assert [gain["points"] for gain in one["advantage"]["by_task"]] == pytest.approx(own - others, abs=1e-3)
    assert one["advantage"]["points"] == pytest.approx((own - others).mean(), abs=1e-3)
    assert one["pruned"] == pytest.approx(0.7, abs=1e-3)
    assert one["advantage"]["pairings"] == 120
    for pair in one["shared"]:
        assert by_chance(0.7) / 2 < pair["jaccard"] < 1
    places = shared_places(one, 0, 1)
    assert {layer for layer, _, _ in places} == {0, 1}
    assert places == [tuple(place) for place in one["shared"][0]["places"]]
    mean = np.mean([[p[2] for p in pair["places"]] for pair in one["shared"] if 2 in pair["pair"]], axis=0)
    assert [value for _, _, value in shared_places(one, 2, 2)] == pytest.approx(mean)
    assert len(frame(resumed)) == 3 * 3 * 25


@pytest.mark.slow
def test_what_reads_no_texts_gains_nothing_and_says_so(resumed: dict[str, Any]) -> None:
    for sparsity in (0.3, 0.5, 0.7):
        one = map_at(resumed, "magnitude", sparsity)
        assert one is not None
        assert one["advantage"]["points"] == 0
        assert {pair["jaccard"] for pair in one["shared"]} == {1.0}
    assert "chooses the same weights whatever" in verdict(resumed, "magnitude")


@pytest.mark.slow
def test_the_document_says_what_the_numbers_say(resumed: dict[str, Any]) -> None:
    text = transfer_markdown(resumed)
    assert all(sentence in text for sentence in findings(resumed))
    for name in NAMES:
        assert f"| {name} |" in text
    said = verdict(resumed, "balanced")
    for one in (map_at(resumed, "balanced", s) for s in (0.3, 0.5, 0.7)):
        assert one is not None
        gain = one["advantage"]
        clear = not gain["low"] <= 0 <= gain["high"]
        place = f"{100 * one['sparsity']:g} %"
        assert (f"at {place}" in said.split("nothing")[0]) == clear
        assert place in said


@pytest.mark.slow
def test_control_refit_and_seeds(sources: dict[str, str], tiny_bert: Path, tmp_path: Path) -> None:
    two = {name: sources[name] for name in ("one", "five")}
    given = flags(two, tiny_bert, criteria="balanced", sparsities="0.5")
    document = drain(run_transfer(spec_of(given, refit=True, seeds="1"), tmp_path / "map"))
    assert [(one["shuffled"], one["refit"]) for one in document["maps"]] == [
        (False, False),
        (False, True),
        (True, False),
    ]
    assert document["seeds"] == [0, 1]
    for one in document["maps"]:
        assert len(one["advantage"]["apart"]) == (1 if one["shuffled"] else 2)
        assert np.mean(one["advantage"]["apart"]) == pytest.approx(one["advantage"]["points"], abs=1e-4)
        assert (one["ranks"] is None) == one["shuffled"]
    plain, refitted = document["maps"][:2]
    told = " ".join(findings(document))
    values = [np.array([[score["of_dense"] for score in row] for row in one["scores"]]) for one in (plain, refitted)]
    (own, others), (own_refit, others_refit) = (
        (value.diagonal().mean(), value[~np.eye(2, dtype=bool)].mean()) for value in values
    )
    assert f"keeps {own:.1f} % of dense on the source that it is calibrated on and {others:.1f} %" in told
    assert f"refitted on it, {own_refit:.1f} % and {others_refit:.1f} %." in told
    apart = [one["advantage"]["apart"] for one in (plain, refitted)]
    agree = sum(first * second > 0 for first, second in apart)
    widest = max(abs(first - second) for first, second in apart)
    assert f"drawn 2 times: in {agree} of 2 maps" in told and f"lie {widest:.1f} points apart" in told
    assert plain["scores"] != refitted["scores"]
    assert plain["shared"] == refitted["shared"], "a refit keeps its mask"
    assert document["words"]["shuffled"][0][1] != document["words"]["real"][0][1]
    text = transfer_markdown(document)
    assert "`balanced` + refit at 50 %" in text
    assert "shuffled between the sources, masks alone, one draw of them: " in text and "By seed:" in text
    assert "| `balanced` + refit | " in text and text.count(" | – |") == 1
    # Maps of before have a refitted control, too; half of one is nothing.
    refitted_control = {**document["maps"][1], "shuffled": True}
    assert check_transfer({**document, "maps": [*document["maps"], refitted_control]})
    for lacking in ([0], [0, 2], [1, 2]):
        maps = [one for i, one in enumerate(document["maps"]) if i not in lacking]
        with pytest.raises(GapruneError, match="damaged"):
            check_transfer({**document, "maps": [*maps, refitted_control]})


def test_names_of_sources() -> None:
    assert names_of("ontology:chebi:300").triplets == "ontology:chebi"
    assert names_of("ontology:chebi:300").task == "ontology:chebi:300"
    assert names_of("chemistry") == names_of("chemistry@chemistry")
    assert names_of("a/legal.jsonl@b/courts").label == "courts"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sources": "chemistry"}, "at least two sources"),
        ({"sources": "chemistry,chemistry"}, "must not hold a value twice"),
        ({"sources": "chemistry,chemistry@chemistry"}, "one source given twice"),
        ({"sources": "chemistry,alchemy"}, "There is no starter domain, file or folder 'alchemy'. Did you mean"),
        ({"sources": "chemistry,ontology:gold"}, "There is no ontology 'gold'"),
        ({"criteria": "balanced,luck"}, "There is no criterion 'luck'"),
        ({"sampling": "all"}, "equally many samples"),
        ({"seeds": "0,1"}, "0 is the seed of the map itself"),
        ({"sparsities": "0.5,1"}, "must be above 0 and at most 0.95"),
        ({"sources": "chemistry,finance", "general": "general", "samples": "5000"}, "chemistry is too small: it has"),
        ({"sources": "chemistry,general", "general": "general", "samples": "150"}, "150 for its domain side"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    changed: dict[str, str], said: str, sources: dict[str, str], tiny_bert: Path, tmp_path: Path, run: Run
) -> None:
    given = flags(sources, tiny_bert, **changed)
    result = run("transfer", "--out", tmp_path / "map", *(w for k, v in given.items() for w in (f"--{k}", v)))
    assert said in result.refusal()
    assert not (tmp_path / "map").exists()


def test_shared_texts_and_learned_queries_are_named(tiny_bert: Path, tmp_path: Path) -> None:
    rows = DOMAIN_TRIPLETS[:6]
    one, other = (write_triplets(tmp_path / f"{n}.jsonl", rows[i : i + 5]) for n, i in (("a", 0), ("b", 1)))
    tasks = [write_beir(tmp_path / name, shift) for shift, name in enumerate(("near", "far"))]
    general = write_triplets(tmp_path / "general.jsonl", GENERAL_TRIPLETS)
    given = {"model": str(tiny_bert), "device": "cpu", "samples": "4", "general": str(general)}
    shared = spec_of(given, sources=f"{one}@{tasks[0]},{other}@{tasks[1]}")
    with pytest.raises(GapruneError, match="near and far share 8 calibration texts, such as"):
        drain(run_transfer(shared, tmp_path / "map"))
    apart = write_triplets(tmp_path / "d.jsonl", DOMAIN_TRIPLETS[8:])
    sides = spec_of(given, sources=f"{one}@{tasks[0]},{apart}@{tasks[1]}", general=str(other))
    with pytest.raises(GapruneError, match="near and the general data share 8 calibration texts"):
        drain(run_transfer(sides, tmp_path / "map"))
    asked = ("What is  SALT", "salt in water", "river and sea")
    learned = write_triplets(tmp_path / "c.jsonl", (asked, *DOMAIN_TRIPLETS[8:]))
    leak = spec_of(given, sources=f"{one}@{tasks[0]},{learned}@{tasks[1]}")
    with pytest.raises(GapruneError, match="1 evaluation queries of near are calibration texts of far"):
        drain(run_transfer(leak, tmp_path / "map"))


def test_texts_without_answers_are_no_source(tiny_bert: Path, sources: dict[str, str], tmp_path: Path) -> None:
    plain = tmp_path / "plain.txt"
    plain.write_text("one text\nanother text\n")
    given = flags(sources, tiny_bert, sources=f"{plain}@{sources['one'].partition('@')[2]},{sources['two']}")
    with pytest.raises(GapruneError, match="plain texts have no positives"):
        drain(run_transfer(spec_of(given), tmp_path / "map"))


def test_a_folder_of_something_else_is_left_alone(tiny_bert: Path, sources: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("notes")
    with pytest.raises(GapruneError, match="is not a transfer map"):
        drain(run_transfer(spec_of(flags(sources, tiny_bert)), tmp_path))


@pytest.mark.parametrize("document", [None, [], {}, {"format": 9}, {"format": 1}, {"format": 1, "maps": []}])
def test_what_is_no_map_is_refused(document: Any) -> None:
    with pytest.raises(GapruneError, match="transfer map"):
        check_transfer(document)


@pytest.mark.slow
def test_a_damaged_map_is_refused(resumed: dict[str, Any], tmp_path: Path) -> None:
    for path, value in (
        (("sources", 0, "queries"), []),
        (("maps", 0, "scores"), []),
        (("maps", 0, "shared", 0, "pair"), [0, 9]),
        (("maps", 1, "ranks", 0), None),
        (("maps", 0, "advantage", "p"), 7),
        (("words",), {"real": []}),
    ):
        document = json.loads(json.dumps(resumed))
        *way, last = path
        inner: Any = document
        for step in way:
            inner = inner[step]
        inner[last] = value
        place = tmp_path / TRANSFER_FILE
        place.write_text(json.dumps(document))
        with pytest.raises(GapruneError, match="damaged"):
            open_transfer(place)
    with pytest.raises(GapruneError, match="There is no transfer map"):
        open_transfer(tmp_path / "nothing")
