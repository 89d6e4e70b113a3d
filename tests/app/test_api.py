"""The README's calls through gradio_client, against a running page with the default model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from gradio_client import Client

from gaprune_viz.app import launch
from gaprune_viz.app.endpoints import ENDPOINTS, settings_of
from gaprune_viz.config import MaskSpec
from gaprune_viz.config.presets import PRESETS
from gaprune_viz.errors import GapruneError

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    app, local, _ = launch(port=0, prevent_thread_lock=True, quiet=True)
    yield str(local)
    app.state.blocks.close() if hasattr(app, "state") and hasattr(app.state, "blocks") else None


@pytest.fixture(scope="module")
def client(address: str) -> Client:
    return Client(address, verbose=False)


@pytest.mark.minilm
def test_the_calls_of_the_readme(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    code = re.search(
        r"```python\n(from gradio_client import Client.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
    )
    assert code is not None
    # Eight samples show the same as sixty-four, in a fraction of the time.
    text = code[1].replace("samples=64", "samples=8").replace('Client("http://127.0.0.1:7860")', "client")
    found: dict[str, object] = {"client": client}
    exec(text, found)
    printed = capsys.readouterr().out
    assert "Fisher" in printed
    assert len(found["run"]["matrices"]) == 12  # type: ignore[index]
    numbers = found["numbers"]
    assert 0 < numbers["pruned"]["ndcg_at_10"] <= numbers["dense"]["ndcg_at_10"] + 0.1  # type: ignore[index]
    with ZipFile(str(found["model"])) as archive:
        assert {"mask.safetensors", "gaprune.json", "README.md"} <= set(archive.namelist())


@pytest.mark.minilm
def test_the_endpoints_are_named_and_typed_and_nothing_else_is_offered(client: Client) -> None:
    offered = client.view_api(return_format="dict", print_info=False)
    assert isinstance(offered, dict)
    named = offered["named_endpoints"]
    assert set(named) == {f"/{name}" for name in ENDPOINTS}
    assert not offered["unnamed_endpoints"]
    assert [p["parameter_name"] for p in named["/tune"]["parameters"]] == ["analysis", "preset", "settings"]
    assert {p["python_type"]["type"] for p in named["/analyze"]["parameters"]} == {"str", "int"}


@pytest.mark.minilm
def test_a_structure_is_told_and_exported(client: Client) -> None:
    asked = {"structure": "neurons", "sparsity": 0.25}
    cut = client.predict("demo", "obd", asked, api_name="/tune")["cut"]
    # A neuron has a row of 384 and a bias in up, and a column of 384 in down; 384 of 1,536 go in each of six layers.
    assert (cut["before"], cut["after"]) == (1_536, 1_152)
    assert cut["dense_parameters"] - cut["parameters"] == 6 * 384 * (384 + 1 + 384)
    with pytest.raises(Exception, match="no head size of its own"):
        client.predict("demo", "obd", {**asked, "structure": "heads"}, api_name="/tune")
    with pytest.raises(Exception, match="Structures go whole, without the pattern 2:4"):
        client.predict("demo", "nm-2-4", asked, api_name="/tune")
    with ZipFile(str(client.predict("demo", "obd", {**asked, "structure": "layers"}, api_name="/export"))) as archive:
        assert "mask.safetensors" not in archive.namelist()
        assert "layers" in archive.read("README.md").decode()


@pytest.mark.minilm
def test_the_same_are_tools_of_an_mcp_server(address: str, client: Client) -> None:
    """One call over the Model Context Protocol, against the same call over HTTP."""
    import asyncio

    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    asked = {"analysis": "demo", "preset": "balanced", "settings": {"sparsity": 0.6}}

    async def call() -> tuple[set[str], dict[str, Any], str]:
        place = f"{address.rstrip('/')}/gradio_api/mcp/"
        async with (
            streamablehttp_client(place) as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            answer = await session.call_tool("tune", asked)
            return set(tools), tools["tune"].inputSchema, answer.content[0].text  # type: ignore[union-attr]

    # A thread of its own: the driver of a browser, in the same process, holds a running loop in this one.
    with ThreadPoolExecutor(1) as pool:
        names, schema, text = pool.submit(asyncio.run, call()).result()
    assert names == set(ENDPOINTS)
    assert set(schema["properties"]) == set(asked)
    expected = client.predict(*asked.values(), api_name="/tune")
    assert expected["sentence"] in text


@pytest.mark.minilm
def test_a_wrong_call_says_what_is_wrong(client: Client) -> None:
    with pytest.raises(Exception, match="sparsity"):
        client.predict(settings={"sparsity": 7}, api_name="/tune")
    with pytest.raises(Exception, match="not here"):
        client.predict("analysis-of-nobody", api_name="/compare")


@pytest.mark.minilm
def test_the_bundled_analysis_is_compared_at_once(client: Client) -> None:
    found = client.predict("demo", "robust", {"sparsity": 0.7}, api_name="/compare")
    assert 0 < found["pruned"]["ndcg_at_10"] < found["dense"]["ndcg_at_10"]


def test_settings_start_from_a_preset() -> None:
    changed = settings_of("balanced", {"sparsity": 0.7, "fisher-power": 1.0})
    assert changed.score == PRESETS["balanced"].settings.score.with_(fisher_power=1.0)
    assert changed.mask == MaskSpec(sparsity=0.7)
    with pytest.raises(GapruneError, match="colour"):
        settings_of("paper", {"colour": "red"})
    with pytest.raises(GapruneError, match="no preset"):
        settings_of("best", None)
