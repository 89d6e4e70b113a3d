"""The README's Python does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.mark.minilm
@pytest.mark.slow
def test_the_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    monkeypatch.chdir(tmp_path)
    # Eight samples show the same as sixty-four, in a fraction of the time.
    exec(code[1].replace("samples=64", "samples=8"), {})
    assert "√|θ|" in capsys.readouterr().out
    assert (tmp_path / "models/finance-50/model.safetensors").is_file()
