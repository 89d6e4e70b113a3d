"""What is told of a model before it is used: prompts and where they come from, tokens, padding, similarity."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from gaprune_viz.calibration.batching import plan_steps
from gaprune_viz.config import ModelSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.models import prompts as prompts_module
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.model_check import check_model
from gaprune_viz.models.prompts import Registered, prompts_of, registered, told
from tests.tiny_models import BUILDERS, LONGEST, make_tokenizer, texts


def check(folder: Path | str, **fields: object):
    return check_model(ModelSpec.parse({"model": str(folder), "device": "cpu", **fields}))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names that mteb's registry is asked for; it knows one family."""
    names: list[str] = []

    def ask(name: str) -> dict[str, Any]:
        names.append(name)
        known = {"query": "query: ", "document": "passage: "} if name.startswith("intfloat/e5") else {}
        template = "Instruct: {instruction}" if name == "org/instructed" else ""
        return {"prompts": known, "template": template}

    registered.cache_clear()
    monkeypatch.setattr(prompts_module, "_kept", dict)
    monkeypatch.setattr(prompts_module, "_keep", lambda kept: None)
    monkeypatch.setattr(prompts_module, "_ask", ask)
    yield names
    registered.cache_clear()


def test_a_plain_folder(tiny_bert: Path) -> None:
    found = check(tiny_bert)
    assert (found.kind, found.architecture, found.pooling) == ("transformers", "BertModel", ["mean"])
    assert (found.dimensions, found.max_length, found.similarity, found.dtype) == (32, 128, "cosine", "float32")
    assert found.parameters == sum(p.numel() for p in load_model(ModelSpec(model=str(tiny_bert))).st.parameters())
    assert found.prompts.model_dump() == {
        "query": "",
        "passage": "",
        "source": {"query": "none", "passage": "none"},
        "suggestion": None,
    }
    assert found.special_tokens.model_dump() == {"begin": ["[CLS]"], "end": ["[SEP]"], "corrected": False}
    assert found.padding_dependent is False
    assert found.notes == []
    assert json.loads(found.model_dump_json())["label"] == tiny_bert.name


def test_a_folder_with_everything(tiny_bert: Path, tmp_path: Path) -> None:
    st = SentenceTransformer(str(tiny_bert), device="cpu", local_files_only=True)
    st.prompts = {"query": "ask: ", "document": "text: "}  # pyright: ignore[reportAttributeAccessIssue]
    st.truncate_dim, st.similarity_fn_name = 8, "dot"
    st.save_pretrained(str(tmp_path / "all"), create_model_card=False)
    found = check(tmp_path / "all", query_prompt="given: ")
    assert found.kind == "sentence-transformers"
    assert (found.dimensions, found.whole_dimensions, found.similarity) == (8, 32, "dot")
    assert (found.prompts.query, found.prompts.passage) == ("given: ", "text: ")
    assert found.prompts.source == {"query": "given", "passage": "model"}
    assert any("compares by dot product, and rankings do too; calibration compares by cosine" in n for n in found.notes)


def test_what_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(GapruneError, match="holds no model"):
        check(tmp_path)


# -- prompts ----------------------------------------------------------------------------------------------------------


def plain(tiny_bert: Path) -> SentenceTransformer:
    return SentenceTransformer(str(tiny_bert), device="cpu", local_files_only=True)


def test_the_order_of_prompts(tiny_bert: Path, asked: list[str]) -> None:
    st = plain(tiny_bert)

    def found(name: str | None, **given: str) -> tuple[str, str, dict[str, str]]:
        prompts = prompts_of(ModelSpec.parse(given), st, name)
        return prompts.query, prompts.passage, prompts.sources

    assert found("intfloat/e5-small-v2") == ("query: ", "passage: ", {"query": "mteb", "passage": "mteb"})
    assert found("intfloat/e5-small-v2", query_prompt="q ")[::2] == ("q ", {"query": "given", "passage": "mteb"})
    assert found("org/unknown") == ("", "", {"query": "none", "passage": "none"})
    assert asked == ["intfloat/e5-small-v2", "org/unknown"]
    # Nobody is asked where the name is not certain, the person has said all, or the folder says something.
    assert found(None)[:2] == ("", "")
    assert found("intfloat/e5-base", query_prompt="", passage_prompt="")[2] == {"query": "given", "passage": "given"}
    st.prompts = {"query": "own: ", "document": ""}  # pyright: ignore[reportAttributeAccessIssue]
    assert found("intfloat/e5-large") == ("own: ", "", {"query": "model", "passage": "none"})
    assert asked == ["intfloat/e5-small-v2", "org/unknown"]
    st.prompts = {}  # pyright: ignore[reportAttributeAccessIssue]
    assert "an instruction for each task" in prompts_of(ModelSpec(), st, "org/instructed").note


def test_prompts_of_the_registry_are_told_and_part_of_the_model(
    tiny_bert: Path, tmp_path: Path, asked: list[str]
) -> None:
    entry = tmp_path / "models--intfloat--e5-small-v2"
    shutil.copytree(tiny_bert, entry / "snapshots" / ("a" * 40))
    model = load_model(ModelSpec(model=str(entry), device="cpu"))
    assert (model.query_prompt, model.passage_prompt) == ("query: ", "passage: ")
    assert any("those of mteb's registry are used: queries 'query: '" in note for note in model.notes)
    expected = plain(tiny_bert).encode(list(texts()), prompt="query: ", normalize_embeddings=True)
    np.testing.assert_allclose(model.encode(texts(), "query"), expected, atol=1e-6)
    assert check(entry).prompts.source == {"query": "mteb", "passage": "mteb"}


def test_the_name_in_a_local_folder_is_only_a_suggestion(tiny_bert: Path, tmp_path: Path, asked: list[str]) -> None:
    folder = shutil.copytree(tiny_bert, tmp_path / "mine")
    (folder / "README.md").write_text("---\nbase_model: intfloat/e5-small-v2\n---\n# Mine\n")
    found = check(folder)
    assert (found.prompts.query, found.prompts.passage) == ("", "")
    assert found.prompts.suggestion == {"name": "intfloat/e5-small-v2", "query": "query: ", "passage": "passage: "}
    assert any("which mteb gives prompts: queries 'query: ', passages 'passage: '" in note for note in found.notes)
    assert check(folder, query_prompt="a ").prompts.suggestion is None


@pytest.mark.slow
def test_mteb_is_asked_in_a_process_of_its_own() -> None:
    registered.cache_clear()
    assert registered("intfloat/e5-small-v2") == Registered("query: ", "passage: ")
    registered.cache_clear()
    # What was asked once is kept, by mteb's version.
    assert json.loads(prompts_module._place().read_text())["intfloat/e5-small-v2"]["prompts"]["query"] == "query: "
    found = registered("BAAI/bge-small-en-v1.5")
    assert found == Registered("Represent this sentence for searching relevant passages: ")
    assert registered("nomic-ai/nomic-embed-text-v1.5") == Registered("search_query: ", "search_document: ")
    assert registered("no-such-org/no-such-model") == Registered()


@pytest.mark.parametrize("kept", ["", "[]", "7", '{"a/b": 7}', '{"a/b": {"prompts": {"query": 7}, "template": ""}}'])
def test_a_spoilt_store_of_prompts_is_asked_anew(kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts_module._place().write_text(kept)
    monkeypatch.setattr(prompts_module, "_ask", lambda name: {"prompts": {"query": "q "}, "template": ""})
    registered.cache_clear()
    assert registered("a/b") == Registered("q ")
    registered.cache_clear()
    prompts_module._place().unlink()


def test_a_registry_that_cannot_be_asked_is_told_of(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts_module, "_LOOKUP", "raise SystemExit(1)")
    registered.cache_clear()
    found = prompts_of(ModelSpec(), plain(tiny_bert), "no-such-org/asked-in-vain")
    assert (found.query, found.passage) == ("", "")
    assert "mteb's registry cannot be asked for the prompts of no-such-org/asked-in-vain" in found.note
    with pytest.raises(GapruneError, match="cannot be asked"):
        registered("no-such-org/asked-in-vain")


def test_prompts_for_people() -> None:
    assert told("", "", {}) == "queries none, passages none"
    assert told("q ", "", {"query": "mteb"}) == "queries 'q ' (of mteb's registry), passages none"


# -- padding ----------------------------------------------------------------------------------------------------------


def build(folder: Path, config: Any, kind: type) -> Path:
    tokenizer = make_tokenizer(BUILDERS["bert"][1])
    torch.manual_seed(0)
    model = kind(config(tokenizer))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.normal_(0, 0.2)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def convbert(tokenizer: Any) -> Any:
    import transformers

    return transformers.ConvBertConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        embedding_size=32, max_position_embeddings=LONGEST, head_ratio=2, conv_kernel_size=9, pad_token_id=0,
    )  # fmt: skip


def fnet(tokenizer: Any) -> Any:
    import transformers

    return transformers.FNetConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        max_position_embeddings=LONGEST, pad_token_id=0, type_vocab_size=2,
    )  # fmt: skip


@pytest.fixture(scope="module", params=["ConvBert", "FNet"])
def padded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that mixes positions whether they are padding or not."""
    import transformers

    config = {"ConvBert": convbert, "FNet": fnet}[request.param]
    return build(tmp_path_factory.mktemp(request.param), config, getattr(transformers, f"{request.param}Model"))


def test_a_model_that_padding_moves_gets_none(padded: Path) -> None:
    model = load_model(ModelSpec(model=str(padded), device="cpu"))
    assert model.padding_dependent
    assert any("texts are embedded without any" in note for note in model.notes)
    some = [*texts(), *texts(), "water", "salt"]
    alone = np.concatenate([model.encode([text]) for text in some])
    np.testing.assert_allclose(model.encode(some), alone, atol=1e-5)
    assert model.determining()["padding_dependent"] is True
    found = check(padded)
    assert found.padding_dependent


def test_calibration_pads_no_text_of_such_a_model(padded: Path, tiny_bert: Path, tiny_triplets: Any) -> None:
    from gaprune_viz.data.triplets import load_triplets

    samples = load_triplets(str(tiny_triplets[0])).triplets
    for folder, even in ((padded, True), (tiny_bert, False)):
        model = load_model(ModelSpec(model=str(folder), device="cpu"))
        steps = plan_steps(model, samples, 4_096)
        lengths = [{len(ids) for ids in chunk.ids} for step in steps for chunk in step.chunks]
        assert all(len(found) == 1 for found in lengths) is even
        assert sum(len(chunk.ids) for step in steps for chunk in step.chunks) == sum(len(s.order) for s in steps)


@pytest.mark.parametrize("family", ["bert", "roberta", "mpnet", "modernbert", "qwen3", "gpt2", "t5", "embeddinggemma"])
def test_padding_moves_no_usual_model(family: str, tiny_model_folder: Callable[..., Path]) -> None:
    assert not load_model(ModelSpec(model=str(tiny_model_folder(family)), device="cpu")).padding_dependent


def test_the_numbers_of_such_a_model_are_those_of_texts_alone(padded: Path, tiny_triplets: Any) -> None:
    from gaprune_viz.calibration.domain_pass import calibrate
    from gaprune_viz.calibration.progress import drain
    from gaprune_viz.data.triplets import load_triplets
    from gaprune_viz.models.targets import inventory
    from tests.conformance.reference import naive

    model = load_model(ModelSpec(model=str(padded), device="cpu"))
    samples = load_triplets(str(tiny_triplets[0])).triplets[:4]
    targets = inventory(model).targets
    found = drain(calibrate(model, targets, samples, stage="x", token_budget=4_096))
    expected = naive(model, targets, samples, 0.05, model.pooling.value)
    for target in targets:
        want = expected.fisher[target.name]
        scale = float(want.abs().max())
        assert float((found.fisher[target.name] - want).abs().max()) <= 1e-3 * scale
