"""Embeddings are those of sentence-transformers, whatever the family, the padding side and the prompts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling as PoolingModule

from gaprune_viz.config import ModelSpec, Pooling
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.models.encoder import EmbeddingModel, check_finite, token_batches
from gaprune_viz.models.loading import load_model
from tests.tiny_models import CAUSAL, FAMILIES, HIDDEN, texts

# Texts of one batch are padded to one length; rounding differs from that of a text alone.
SAME = 1e-6

# These count positions from the first token of a row, padding or not.
ABSOLUTE = frozenset({"bert", "distilbert", "gpt2"})

FIVE = (*texts(), "Salt & water: 3.5 %")


def load(folder: Path, **fields: object) -> EmbeddingModel:
    return load_model(ModelSpec.parse({"model": str(folder), "device": "cpu", **fields}))


def plain(folder: Path, family: str) -> SentenceTransformer:
    """sentence-transformers on a folder without its configuration: it takes the mean, also for decoders."""
    st = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    if family in CAUSAL:
        st[1] = PoolingModule(HIDDEN, pooling_mode="lasttoken")
    return st


def one_by_one(st: SentenceTransformer, texts: Sequence[str]) -> np.ndarray:
    return st.encode(list(texts), batch_size=1, normalize_embeddings=True)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_equals_sentence_transformers(
    family: str, side: str, tiny_model_folder: Callable[..., Path]
) -> None:
    folder = tiny_model_folder(family, side)
    found, st = load(folder).encode(FIVE), plain(folder, family)
    assert found.dtype == np.float32
    assert found.shape == (5, HIDDEN)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found, one_by_one(st, FIVE), atol=SAME)
    batch = st.encode(list(FIVE), normalize_embeddings=True)
    if side == "left" and family in ABSOLUTE:
        # Here sentence-transformers counts the padding as positions: its batches differ from its single texts.
        assert np.abs(found - batch).max() > 1e-3
    else:
        np.testing.assert_allclose(found, batch, atol=SAME)


@pytest.mark.minilm
def test_the_default_model_equals_sentence_transformers(minilm: EmbeddingModel) -> None:
    st = SentenceTransformer(minilm.source, device="cpu", local_files_only=True)
    long = " ".join(["entropy and enthalpy of a solution"] * 80)
    some = (*FIVE, "", long, "Ünïcode — naïve café", "第二")
    assert len(minilm.token_ids([long], "passage")[0]) == minilm.max_length == st.max_seq_length
    np.testing.assert_allclose(minilm.encode(some), st.encode(list(some)), atol=SAME)
    assert minilm.label == "all-MiniLM-L6-v2"
    assert minilm.pooling is Pooling.MEAN


def test_order_is_that_of_the_texts_and_batches_change_nothing(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(tiny_bert)
    some = [f"{word} " * n for n, word in enumerate(("water", "bond", "risk", "salt", "tax", "moon", "cash"), start=1)]
    some = [*some[::2], *some[1::2]]
    alone = np.concatenate([model.encode([text]) for text in some])
    np.testing.assert_allclose(model.encode(some), alone, atol=SAME)
    monkeypatch.setattr("gaprune_viz.models.encoder.ENCODE_TOKENS", 8)
    seen: list[tuple[int, int]] = []
    np.testing.assert_allclose(
        model.encode(some, progress=lambda done, total: seen.append((done, total))), alone, atol=SAME
    )
    assert len(seen) > 3
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1] == (7, 7)


def test_nothing_gives_an_empty_array_of_the_right_width(tiny_bert: Path) -> None:
    found = load(tiny_bert).encode([])
    assert found.shape == (0, HIDDEN)
    assert found.dtype == np.float32


def test_a_text_without_tokens_has_an_embedding(tiny_model_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model_folder("gpt2"), tmp_path / "bare")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["post_processor"] = None
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    model = load(folder)
    assert model.token_ids(["water", ""], "passage") == [[model.tokenizer.convert_tokens_to_ids("water")], [0]]
    assert np.isfinite(model.encode(["", "water"])).all()


def test_stop_ends_the_work(tiny_bert: Path) -> None:
    asked = iter([False, True])
    with pytest.raises(Cancelled):
        load(tiny_bert).encode(["water " * 100] * 100, stop=lambda: next(asked))


def test_no_gradient_and_no_dropout(tiny_bert: Path) -> None:
    model = load(tiny_bert)
    assert not model.backbone.training
    assert not any(p.requires_grad for p in model.backbone.parameters())
    np.testing.assert_array_equal(model.encode(FIVE), model.encode(FIVE))


def test_an_unknown_kind_is_refused(tiny_bert: Path) -> None:
    with pytest.raises(ValueError, match="kind is one of"):
        load(tiny_bert).encode(["water"], "document")


@pytest.fixture(scope="module")
def prompted(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence-transformers folder whose prompts are left out of the mean."""
    st = SentenceTransformer(str(tiny_bert), device="cpu", local_files_only=True)
    st.prompts = {"query": "what is the rate of: ", "document": "title: "}  # pyright: ignore[reportAttributeAccessIssue]
    st[1] = PoolingModule(HIDDEN, pooling_mode="mean", include_prompt=False)
    folder = tmp_path_factory.mktemp("prompted")
    st.save_pretrained(str(folder))
    assert json.loads((folder / "config_sentence_transformers.json").read_text())["prompts"]["document"] == "title: "
    return folder


def test_the_models_own_prompts_are_used_and_recorded(prompted: Path) -> None:
    model = load(prompted)
    assert (model.query_prompt, model.passage_prompt) == ("what is the rate of: ", "title: ")
    st = SentenceTransformer(str(prompted), device="cpu", local_files_only=True)
    queries = st.encode_query(list(FIVE), normalize_embeddings=True)
    np.testing.assert_allclose(model.encode(FIVE, "query"), queries, atol=SAME)
    np.testing.assert_allclose(
        model.encode(FIVE, "passage"), st.encode_document(list(FIVE), normalize_embeddings=True), atol=SAME
    )
    assert np.abs(model.encode(FIVE, "query") - model.encode(FIVE, "passage")).max() > 1e-2


def test_given_prompts_win_over_the_models_own(prompted: Path) -> None:
    model = load(prompted, query_prompt="moon ")
    assert (model.query_prompt, model.passage_prompt) == ("moon ", "title: ")
    st = SentenceTransformer(str(prompted), device="cpu", local_files_only=True)
    expected = st.encode(list(FIVE), prompt="moon ", normalize_embeddings=True)
    np.testing.assert_allclose(model.encode(FIVE, "query"), expected, atol=SAME)


def test_a_default_prompt_is_told_of_where_queries_and_documents_go_without(prompted: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(prompted, tmp_path / "default")
    path = folder / "config_sentence_transformers.json"
    config = json.loads(path.read_text())
    config["prompts"], config["default_prompt_name"] = {"all": "asset: "}, "all"
    path.write_text(json.dumps(config))
    model = load(folder)
    # As `encode_query` and `encode_document` do it.
    assert (model.query_prompt, model.passage_prompt) == ("", "")
    assert any("`all` ('asset: ') is put before neither" in note for note in model.notes)
    given = load(folder, query_prompt="asset: ")
    assert given.prompts_from == {"query": "given", "passage": "none"}


def test_an_empty_prompt_that_is_given_means_none(prompted: Path) -> None:
    model = load(prompted, query_prompt="")
    assert (model.query_prompt, model.passage_prompt) == ("", "title: ")
    assert model.prompts_from == {"query": "given", "passage": "model"}


@pytest.mark.parametrize("family", FAMILIES)
def test_pooling_is_last_for_decoders_and_mean_for_encoders(
    family: str, tiny_model_folder: Callable[..., Path]
) -> None:
    model = load(tiny_model_folder(family))
    assert model.pooling is (Pooling.LAST if family in CAUSAL else Pooling.MEAN)


@pytest.mark.parametrize(("mode", "pooling"), [("cls", Pooling.CLS), ("lasttoken", Pooling.LAST), ("max", None)])
def test_a_models_own_pooling_is_kept(mode: str, pooling: Pooling | None, tiny_bert: Path, tmp_path: Path) -> None:
    st = SentenceTransformer(str(tiny_bert), device="cpu", local_files_only=True)
    st[1] = PoolingModule(HIDDEN, pooling_mode=mode)  # pyright: ignore[reportArgumentType]
    st.save_pretrained(str(tmp_path))
    model = load(tmp_path)
    assert model.pooling is (pooling or Pooling.AUTO)
    np.testing.assert_allclose(model.encode(FIVE), st.encode(list(FIVE), normalize_embeddings=True), atol=SAME)


def test_a_given_pooling_wins(tiny_bert: Path) -> None:
    model, states = load(tiny_bert, pooling="cls"), load(tiny_bert)
    ids = states.token_ids(["water and salt"], "passage")
    features = states.features(ids, "passage")
    first = states.backbone(**features).last_hidden_state[0, 0].numpy()
    np.testing.assert_allclose(model.encode(["water and salt"])[0], first / np.linalg.norm(first), atol=SAME)


def test_max_length_cuts_and_is_checked(tiny_model_folder: Callable[..., Path]) -> None:
    folder = tiny_model_folder("roberta")
    model = load(folder, max_length=8)
    assert model.max_length == 8
    assert [len(ids) for ids in model.token_ids(["water " * 50, "salt"], "query")] == [8, 3]
    np.testing.assert_allclose(model.encode(["water " * 50]), model.encode(["water " * 6]), atol=SAME)
    assert load(folder).max_length == 128
    with pytest.raises(GapruneError, match="more than the 128 tokens") as raised:
        load(folder, max_length=129)
    assert raised.value.hint == "Use 128 or less."


def test_the_limit_of_roberta_leaves_out_the_positions_before_the_first(
    tiny_model_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_model_folder("roberta"), tmp_path / "unlimited")
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_max_length": 10**9}))
    model = load(folder)
    # 130 positions, of which that of the padding token and the one before it stand for no token.
    assert model.max_length == 128
    assert np.isfinite(model.encode(["water " * 200])).all()


def test_batches_hold_all_texts_within_the_budget() -> None:
    lengths = [3, 9, 1, 5, 5, 2, 30, 8]
    batches = list(token_batches(lengths, 16))
    assert sorted(i for batch in batches for i in batch) == list(range(8))
    assert batches[0] == [6]
    for batch in batches:
        longest = max(lengths[i] for i in batch)
        assert len(batch) == 1 or len(batch) * longest <= 16
    assert list(token_batches([], 16)) == []


def test_embeddings_that_are_not_numbers_are_refused() -> None:
    vectors = np.eye(3, dtype=np.float32)
    check_finite(vectors, ["a", "b", "c"])
    vectors[1, 0] = np.nan
    with pytest.raises(GapruneError, match=r"embedding of 'b' is not finite \(1 of 3 texts\)"):
        check_finite(vectors, ["a", "b", "c"])
