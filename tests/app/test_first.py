"""Scripts that must be there before gradio's are in the page as it is sent, and in nothing else."""

from __future__ import annotations

import gradio as gr
import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from fastapi.testclient import TestClient

from gaprune_viz.app.widgets import scripts
from gaprune_viz.app.widgets.early_scripts import HEAD, First

PAGE = "<!doctype html><html><head><title>ä</title></head><body>{'<head>'}</body></html>"


@pytest.fixture(scope="module")
def site() -> TestClient:
    site = FastAPI()
    site.add_middleware(First)
    site.get("/")(lambda: HTMLResponse(PAGE, headers={"x-kept": "yes"}))
    site.get("/pieces")(lambda: StreamingResponse((c for c in PAGE), media_type="text/html; charset=utf-8"))
    site.get("/other")(lambda: JSONResponse(PAGE))
    site.get("/gradio_api/file=own.html")(lambda: HTMLResponse(PAGE))
    site.post("/")(lambda: HTMLResponse(PAGE))
    return TestClient(site)


@pytest.mark.parametrize("path", ["/", "/pieces"])
def test_a_page_has_them_first_and_its_length(site: TestClient, path: str) -> None:
    reply = site.get(path)
    assert reply.text == PAGE.replace("<head>", f"<head>{scripts.first()}", 1)
    assert int(reply.headers["content-length"]) == len(reply.content)
    if path == "/":
        assert reply.headers["x-kept"] == "yes"


def test_nothing_else_has(site: TestClient) -> None:
    assert site.get("/other").json() == PAGE
    assert site.post("/").text == PAGE
    assert site.get("/gradio_api/file=own.html").text == PAGE


def test_they_come_before_those_of_gradio() -> None:
    with gr.Blocks() as demo:
        gr.Markdown("a page")
    middleware = {"middleware": [(First, (), {})]}
    _, address, _ = demo.launch(app_kwargs=middleware, prevent_thread_lock=True, quiet=True)
    text = httpx.get(str(address), headers={"accept-encoding": "br, gzip"}).text
    assert HEAD.decode() + scripts.first() in text
    assert text.index("requestAnimationFrame") < text.index("<script>window.gradio_config")
