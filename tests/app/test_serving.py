"""Where the page cannot be served, one line says why and what to do, whichever entry was used."""

from __future__ import annotations

import runpy
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gaprune_viz.app.serving import check_address
from gaprune_viz.errors import GapruneError
from tests.commands import Run

APP = Path(__file__).parents[2] / "app.py"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_is_one_line(run: Run, taken: int) -> None:
    line = run("app", "--port", taken).refusal()
    assert f"cannot be served at 127.0.0.1, port {taken}: Address already in use" in line
    assert "--port 0" in line


def test_app_py_says_the_same(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    monkeypatch.setenv("GRADIO_SERVER_PORT", str(taken))
    monkeypatch.setattr(sys, "argv", ["app.py"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(APP), run_name="__main__")
    assert end.value.code == 2
    assert f"port {taken}: Address already in use" in capfd.readouterr().err


@pytest.mark.parametrize("host", ["nowhere.invalid", "192.0.2.1", "a..b", "not a name"])
def test_an_address_that_is_not_this_machines(host: str) -> None:
    with pytest.raises(GapruneError, match=r"cannot be served at .*, port 7860: .+--host"):
        check_address(host, 7860)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_any_free_port_is_fine(host: str) -> None:
    check_address(host, 0)


def test_a_port_in_the_environment_that_is_no_number(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRADIO_SERVER_PORT")
    monkeypatch.setenv("PORT", "abc")
    assert "PORT" in run("app").refusal()
