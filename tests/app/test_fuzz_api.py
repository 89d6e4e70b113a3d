"""Anything at all, to every endpoint and event: a result or one clean line, in five seconds, and the page lives on.

Sent to gradio's own reading of values and our handlers in this process, and over HTTP. A small number of cases here;
`make fuzz` asks for 10,000 each.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.analysis.making import analyze
from gaprune_viz.app import build, launch
from gaprune_viz.app.endpoints import ENDPOINTS
from gaprune_viz.app.session.access import Access
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import CalibrationSpec, ModelSpec, RunSpec, ServeSpec
from gaprune_viz.storage.workspace import workspace
from tests.app import forged
from tests.app.forged import Direct
from tests.app.served import Caller
from tests.odd import FUZZ, VALUES, json_bytes

SESSION = "fuzzer-0123456789"
OTHER = "other-0123456789"


class Served:
    """A page that two people have open: the one who forges has an analysis of the tiny model, the other another."""

    def __init__(self, spec: ServeSpec, mine: Path, theirs: Path, model: Path) -> None:
        access = Access(spec)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("gaprune_viz.app.page.Access", lambda _: access)
            self.demo = build(spec)
        # Before its launch a page lets any path in.
        self.demo.has_launched = True
        self.spec, self.mine, self.theirs = spec, access.admit(mine, SESSION), access.admit(theirs, OTHER)
        self.triplets = json.loads((theirs / "spec.json").read_text())["run"]["calibration"]["general"]
        self.changed = {"gv-model": str(model), "gv-samples": 4, "gv-sampling": "random", "gv-domain": "chemistry"}
        view = {"analysis": self.mine, "selected": "", "metric": "pruned_fraction", "scale": "auto", "grouping": "role"}
        (self.tuned,) = (
            fn
            for fn in self.demo.fns.values()
            if fn.name == "refresh" and ("input" in {event for _, event in fn.targets}) and len(fn.targets) > 12
        )
        (kept,) = (c for c in self.tuned.inputs if isinstance(c, gr.State))
        self.direct = Direct(self.demo, SESSION, {kept._id: view})
        secret = json.loads((theirs / "spec.json").read_text())["data"]["domain"]["name"]
        folders = [workspace(), Path(sys.prefix), Path.home(), Path(tempfile.gettempdir())]
        self.hidden = [secret, *(f"{folder}/" for folder in folders)] if spec.public else []

    def values(self, fn: Any, least: int = 0) -> st.SearchStrategy[list[Any]]:
        return forged.page_values(fn.inputs, self.changed, [self.mine, self.theirs, "demo"], least)

    def send(self, fn: Any, values: list[Any], event: Any, patience: float = 0.0) -> None:
        answer = self.direct.call(fn, values, event, patience)
        if forged.hangs(answer):
            # Once more: another person's work may have held the machine.
            answer = self.direct.call(fn, values, event, patience)
        forged.check_answer(answer, fn.outputs, self.hidden, shown=fn.api_visibility != "public")
        if fn.api_visibility == "public" and answer.error is None:
            json.dumps(answer.data, allow_nan=False)

    def lives(self) -> None:
        """An honest event is still answered, and rightly."""
        answer = self.direct.call(self.tuned, [c.value for c in self.tuned.inputs])
        assert answer.error is None
        assert "encoder.layer.1" in json.dumps(answer.data[0])


@pytest.fixture(scope="module")
def secret_analysis(
    tiny_bert: Path, tiny_triplets: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Somebody else's, by the name of whose data it would be known."""
    folder = tmp_path_factory.mktemp("other")
    data = folder / "confidential-7f3a.jsonl"
    data.write_text(tiny_triplets[0].read_text())
    run = RunSpec(
        model=ModelSpec(model=str(tiny_bert), device="cpu"),
        calibration=CalibrationSpec(domain=str(data), general=str(tiny_triplets[1]), samples=4, sampling="all"),
    )
    return drain(analyze(run, folder / "analysis"))


@pytest.fixture(scope="module", params=["private", "public"])
def page(
    request: pytest.FixtureRequest, tiny_analysis: Path, secret_analysis: Path, tiny_bert: Path
) -> Iterator[Served]:
    many = {"moves_per_minute": 100_000, "jobs_per_hour": 10_000, "pages_per_address": 10_000, "job_seconds": 5}
    public = {"public": True, "models": (str(tiny_bert),), **many}
    served = Served(ServeSpec(**public if request.param == "public" else {}), tiny_analysis, secret_analysis, tiny_bert)
    served.lives()
    yield served
    served.lives()
    served.direct.close()


def test_events_that_answer_at_once(page: Served) -> None:
    send_forged(page, heavy=False)


def test_events_with_each_value_missing_once(page: Served) -> None:
    """A page leaves nothing out where a choice cannot be taken back; by chance this would take thousands of cases."""
    for fn in forged.events(page.demo, heavy=False):
        usual = forged.usual_values(fn.inputs, page.changed)
        for missing in range(len(usual)):
            page.send(fn, [*usual[:missing], None, *usual[missing + 1 :]], None)


def test_events_that_start_work(page: Served) -> None:
    send_forged(page, heavy=True)


def send_forged(page: Served, *, heavy: bool) -> None:
    events = forged.events(page.demo, heavy=heavy)

    @FUZZ
    @given(st.data())
    def send(data: st.DataObject) -> None:
        fn = data.draw(st.sampled_from(events), label="event")
        patience = data.draw(st.sampled_from(forged.PATIENCE)) if heavy else 0.0
        page.send(fn, data.draw(page.values(fn, least=int(heavy))), data.draw(forged.FORGED_EVENTS), patience)

    send()


@pytest.fixture(scope="module")
def private(tiny_analysis: Path, secret_analysis: Path, tiny_bert: Path) -> Iterator[Served]:
    served = Served(ServeSpec(), tiny_analysis, secret_analysis, tiny_bert)
    yield served
    served.direct.close()


def good(served: Served) -> dict[str, list[Any]]:
    """Values of the named endpoints that are right, so that what is wrong is met at every place."""
    return {
        "model": [served.changed["gv-model"]],
        # Twelve triplets: the starter collections are embedded whole before samples are chosen.
        "domain": [served.triplets],
        "general": [served.triplets],
        "scope": ["mlp", "linear"],
        "samples": [2, 4],
        "seed": [0],
        "fisher": ["contrastive", "model", "embedding"],
        "projections": [1, 2],
        "analysis": [served.mine, served.theirs],
        "preset": ["paper", "balanced", "robust", "magnitude"],
        "settings": [None, {}, {"sparsity": 0.6}, {"sparsity": 7}, {"alpha": "x"}, {"pattern": "2:4", "beta": None}],
        "task": ["finance"],
    }


@pytest.mark.parametrize("name", ENDPOINTS)
def test_a_named_endpoint(private: Served, name: str) -> None:
    fn = forged.endpoints(private.demo)[name]
    parameters = private.demo.get_api_info()["named_endpoints"][f"/{name}"]["parameters"]

    @FUZZ
    @given(forged.call_values(parameters, good(private)))
    def send(values: list[Any]) -> None:
        private.send(fn, values, None)

    send()


BODIES = st.one_of(
    st.binary(max_size=200),
    st.integers(0, 30_000).map(lambda depth: b'{"data":' + b"[" * depth),
    st.dictionaries(st.sampled_from(["data", "fn_index", "session_hash", "event_data", "trigger_id"]), VALUES).map(
        json_bytes
    ),
)


@pytest.mark.parametrize("mode", ["private", "public"])
def test_over_http(mode: str, private: Served, tiny_analysis: Path, secret_analysis: Path, tiny_bert: Path) -> None:
    """The same through the server, and bodies that are no request at all; it answers rightly afterwards."""
    public = ServeSpec(public=True, models=(str(tiny_bert),), moves_per_minute=100_000, pages_per_address=10_000)
    served = private if mode == "private" else Served(public, tiny_analysis, secret_analysis, tiny_bert)
    _, address, _ = launch(port=0, demo=served.demo, serve=served.spec, prevent_thread_lock=True, quiet=True)
    caller, light = Caller(str(address), SESSION), forged.events(served.demo, heavy=False)
    names = forged.endpoints(served.demo)

    @FUZZ
    @given(st.data())
    def send(data: st.DataObject) -> None:
        kind = data.draw(st.sampled_from(["event", "body", *names]))
        if kind == "event":
            fn = data.draw(st.sampled_from(light), label="event")
            text = forged.sent(caller, fn, data.draw(served.values(fn)), data.draw(forged.FORGED_EVENTS))
        elif kind == "body":
            place = data.draw(st.sampled_from(["queue/join", "call/tune", "cancel", "reset", "component_server"]))
            text = forged.posted(caller, place, data.draw(BODIES))
        else:
            parameters = served.demo.get_api_info()["named_endpoints"][f"/{kind}"]["parameters"]
            text = forged.called(caller, kind, data.draw(forged.call_values(parameters, good(served))))
        assert "Traceback" not in text
        assert 'File "' not in text
        assert not [secret for secret in served.hidden if secret in text]

    send()
    tuned = caller.call({"id": served.tuned._id}, [component.value for component in served.tuned.inputs])
    assert "term" in tuned["seen"]
    served.demo.close()
