"""The sources of the benchmark of settings: what calibration asks no task asks, and every draw comes out the same."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from benchmarks import _robust_sources
from benchmarks._robust_sources import Item, Source
from gaprune_viz.data.triplets import load_triplets


def asked_and_answered(source: Source) -> tuple[set[str], set[str]]:
    """Queries and their answers: of the calibration, and of the task."""
    triplets = load_triplets(source.calibration).triplets
    texts = {p.id: p.text for p in source.task.corpus}
    relevant = {texts[id] for query in source.task.judged for id in source.task.relevant(query)}
    return (
        {t.query for t in triplets} | {t.positive for t in triplets},
        set(source.task.queries.values()) | relevant,
    )


def items(groups: int, members: int = 5) -> list[Item]:
    return [
        Item(f"{g}-{m}", f"what is {m} of {g}", f"it is {m} of {g}", f"g{g}")
        for g in range(groups)
        for m in range(members)
    ]


def test_a_group_is_asked_in_calibration_or_in_evaluation(tmp_path: Path) -> None:
    source = _robust_sources._made(tmp_path, "made", "made up", items(120))
    calibration, evaluation = asked_and_answered(source)
    assert calibration and evaluation and not calibration & evaluation
    assert not {t.positive for t in load_triplets(source.calibration).triplets} & {p.text for p in source.task.corpus}
    for triplet in load_triplets(source.calibration).triplets:
        assert triplet.negatives[0].split(" of ")[1] == triplet.positive.split(" of ")[1]


def test_a_task_has_whole_groups_and_a_seeded_part_of_the_queries() -> None:
    task = _robust_sources.task_of("made", items(120))
    sizes = {topic: sum(p.topic == topic for p in task.corpus) for topic in {p.topic for p in task.corpus}}
    assert set(sizes.values()) == {5} and len(task.corpus) == _robust_sources.PASSAGES
    assert len(task.judged) == _robust_sources.QUERIES
    assert task.content_hash == _robust_sources.task_of("made", items(120)).content_hash


def test_docstrings_ask_with_their_first_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "documented"
    (package / "tests").mkdir(parents=True)
    long = " ".join(["word"] * _robust_sources.LEAST_WORDS)
    text = f'def shown(x):\n    """Give back what was given to it.\n\n    Parameters: {long}\n    """\n'
    for name in ("__init__.py", "copy.py", "tests/test_it.py"):
        (package / name).write_text(text, encoding="utf-8")
    (package / "old.py").write_text("print 'python 2'\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(_robust_sources, "PACKAGES", ("documented", "not_installed_anywhere"))
    (found,) = _robust_sources.docstrings()
    assert found.query == "Give back what was given to it"
    assert found.passage.startswith("Parameters: word") and found.group == "documented/__init__.py"


def test_code_asks_for_the_body_without_its_docstring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "\n".join(f"    step_{i} = {i}" for i in range(_robust_sources.LEAST_CODE))
    text = f'def shown(x):\n    """Count up in a few steps.\n\n    More.\n    """\n{body}\n'
    for name in ("counting.py", "site-packages/other.py", "_hidden.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(_robust_sources.sysconfig, "get_path", lambda _: str(tmp_path))
    (found,) = _robust_sources.code()
    assert found.query == "Count up in a few steps" and found.passage.startswith("step_0 = 0 step_1 = 1")
    assert "More" not in found.passage and found.group == "counting.py"


def test_starter_sources_ask_evaluation_topics_only(tmp_path: Path) -> None:
    for source in _robust_sources.sources(tmp_path, ["general", "finance", "chemistry"]):
        calibration, evaluation = asked_and_answered(source)
        assert not calibration & evaluation
        assert source.general == ("finance" if source.name == "general" else "general")


@pytest.mark.slow
def test_every_source_is_split_and_comes_out_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cellxgene_ontology_guide")
    # Thousands of files of Python: what is drawn of them is made twice, they are parsed once, and of one package.
    monkeypatch.setattr(_robust_sources, "PACKAGES", ("networkx",))
    for name in ("_documented", "_functions"):
        read = getattr(_robust_sources, name)
        monkeypatch.setattr(_robust_sources, name, functools.cache(lambda path, read=read: tuple(read(path))))
    first, second = (_robust_sources.sources(tmp_path / part) for part in ("a", "b"))
    assert len(first) >= 7
    for one, other in zip(first, second, strict=True):
        calibration, evaluation = asked_and_answered(one)
        assert not {text.casefold() for text in calibration} & {text.casefold() for text in evaluation}, one.name
        assert one.task.content_hash == other.task.content_hash
        assert load_triplets(one.calibration).content_hash == load_triplets(other.calibration).content_hash
        assert len(one.task.judged) == _robust_sources.QUERIES
