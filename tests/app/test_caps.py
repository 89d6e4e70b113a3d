"""What a public page takes and keeps has a size: files, rows, and the disk of all runs together."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gaprune_viz.app import launch
from gaprune_viz.config import ServeSpec
from gaprune_viz.storage.workspace import folder_bytes, workspace
from tests.app.served import Caller
from tests.beir_folders import write_beir

VISITOR = "visitor-0123456789"
HEADER = "query,positive,negative\n"


@pytest.fixture
def own_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GAPRUNE_VIZ_WORKSPACE", str(tmp_path / "workspace"))
    return tmp_path / "workspace"


@pytest.fixture
def caller(own_workspace: Path, tiny_bert: Path) -> Iterator[Caller]:
    """A page that takes 1 MiB and five rows of a file, and keeps one small run."""
    models = ("default", str(tiny_bert))
    serve = ServeSpec(public=True, models=models, upload_mb=1, max_rows=5, workspace_gb=1e-4)
    app, address, _ = launch(port=0, serve=serve, prevent_thread_lock=True, quiet=True)
    yield Caller(str(address), VISITOR)
    app.state_holder.session_data.clear()


def sent(caller: Caller, text: str) -> Any:
    return caller.http.post(f"{caller.address}/gradio_api/upload", files={"files": ("own.csv", text)})


def test_a_large_file_is_not_taken(caller: Caller) -> None:
    reply = sent(caller, HEADER + "why,because,not\n" * 80_000)
    assert reply.status_code == 413
    assert sent(caller, HEADER + "why,because,not\n").status_code == 200


@pytest.mark.parametrize(("rows", "said"), [(5, "Triplets"), (6, "this public page takes at most 5")])
def test_a_file_of_many_rows_is_not_read(caller: Caller, rows: int, said: str) -> None:
    path = sent(caller, HEADER + "".join(f"why {n},because,not\n" for n in range(rows))).json()[0]
    event = caller.event("gv-upload-domain", "upload")
    file = {"path": path, "orig_name": "own.csv", "meta": {"_type": "gradio.FileData"}}
    values = caller.values(event, gv_upload_domain=file, gv_model="default")
    assert said in caller.call(event, values)["seen"]


def test_a_collection_of_many_passages_is_not_used(caller: Caller, tmp_path: Path) -> None:
    folder, box = write_beir(tmp_path / "sea", 0), io.BytesIO()
    with zipfile.ZipFile(box, "w") as archive:
        for file in folder.rglob("*.*"):
            archive.write(file, f"sea/{file.relative_to(folder)}")
    reply = caller.http.post(f"{caller.address}/gradio_api/upload", files={"files": ("sea.zip", box.getvalue())})
    event = caller.event("gv-upload-domain", "upload")
    file = {"path": reply.json()[0], "orig_name": "sea.zip", "meta": {"_type": "gradio.FileData"}}
    values = caller.values(event, gv_upload_domain=file, gv_model="default")
    # Five queries, and eight passages that a model would embed.
    assert "The file has 8 rows; this public page takes at most 5" in caller.call(event, values)["seen"]


def test_the_runs_of_all_have_one_limit_and_the_oldest_goes(caller: Caller, tiny_bert: Path) -> None:
    event = caller.event("gv-run", "click")
    small = {"gv_model": str(tiny_bert), "gv_domain": "finance", "gv_samples": 4, "gv_sampling": "random"}
    kept: list[set[str]] = []
    for seed in (1, 2):
        assert "Done." in caller.call(event, caller.values(event, **small, gv_seed=seed))["seen"]
        kept.append({folder.name for folder in workspace().glob("analysis-*")})
    assert [len(names) for names in kept] == [1, 1]
    assert kept[0] != kept[1]
    (last,) = workspace().glob("analysis-*")
    assert 2 * folder_bytes(last) > 1e-4 * 2**30
