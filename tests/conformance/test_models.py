"""Every configuration of a model embeds as sentence-transformers does: queries as `encode_query`, passages as
`encode_document`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules

from gaprune_viz.config import ModelSpec
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from tests.tiny_models import BUILDERS, HIDDEN, make_tokenizer, randomize, texts

SAME = 1e-5
FAMILIES = ("bert", "roberta", "mpnet", "modernbert", "qwen3", "embeddinggemma")
TEXTS = (*texts(), "Salt & Water: 3.5 %", "  the Moon of a planet ", "", "water " * 60)

Change = Callable[[SentenceTransformer], None]


def prompts(default: str | None = None, **named: str) -> Change:
    def change(st: SentenceTransformer) -> None:
        st.prompts, st.default_prompt_name = dict(named), default  # pyright: ignore[reportAttributeAccessIssue]

    return change


def pooled(*modes: str, include_prompt: bool = True) -> Change:
    def change(st: SentenceTransformer) -> None:
        st[1] = modules.Pooling(HIDDEN, pooling_mode=modes, include_prompt=include_prompt)  # pyright: ignore[reportArgumentType]

    return change


def appended(*make: Callable[[], torch.nn.Module]) -> Change:
    def change(st: SentenceTransformer) -> None:
        torch.manual_seed(0)
        for each in make:
            st.append(each())

    return change


def having(**values: Any) -> Change:
    def change(st: SentenceTransformer) -> None:
        for name, value in values.items():
            setattr(st, name, value)

    return change


def all_of(*changes: Change) -> Change:
    def change(st: SentenceTransformer) -> None:
        for each in changes:
            each(st)

    return change


def routed(st: SentenceTransformer) -> None:
    """One transformer for both kinds of text, and a projection for queries alone."""
    torch.manual_seed(0)
    reader, pooling = st[0], st[1]
    router = modules.Router.for_query_document(
        [reader, pooling, modules.Dense(HIDDEN, HIDDEN)],  # pyright: ignore[reportArgumentType]
        [reader, pooling],  # pyright: ignore[reportArgumentType]
    )
    del st[1]
    st[0] = router


def lower_case(st: SentenceTransformer) -> None:
    st[0].do_lower_case = True  # type: ignore[assignment]


CONFIGURATIONS: dict[str, Change] = {
    "nothing": prompts(),
    "empty prompts": prompts(query="", document=""),
    "query and document": prompts(query="ask: ", document="text: "),
    "query and passage": prompts(query="ask: ", passage="text: "),
    "query, passage and corpus": prompts(query="ask: ", passage="text: ", corpus="all: "),
    "only a query": prompts(query="ask: "),
    "a default": prompts("all", all="bond: "),
    "a default and empty prompts": prompts("all", all="bond: ", query="", document=""),
    "a default and a query": prompts("all", all="bond: ", query="ask: "),
    "prompts left out of the mean": all_of(pooled("mean", include_prompt=False), prompts(query="ask: ", document="a ")),
    "prompts left out of the first": all_of(pooled("cls", include_prompt=False), prompts(query="ask: ", document="a ")),
    "cut": having(truncate_dim=8),
    "cut beyond the end": having(truncate_dim=HIDDEN * 2),
    "cut and normalized": all_of(appended(modules.Normalize), having(truncate_dim=8)),
    "dense": appended(lambda: modules.Dense(HIDDEN, 8)),
    "dense, normalized, cut": all_of(
        appended(lambda: modules.Dense(HIDDEN, 16), modules.Normalize), having(truncate_dim=8)
    ),
    "layer norm": appended(lambda: modules.LayerNorm(HIDDEN)),
    "normalized": appended(modules.Normalize),
    **{mode: pooled(mode) for mode in modules.Pooling.POOLING_MODES},
    "mean and max": pooled("mean", "max"),
    "cls, mean and last": pooled("cls", "mean", "lasttoken"),
    "shorter": having(max_seq_length=12),
    "lower case": lower_case,
    "dot": having(similarity_fn_name="dot"),
    "euclidean": having(similarity_fn_name="euclidean"),
    "manhattan and cut": having(similarity_fn_name="manhattan", truncate_dim=8),
    "a router": routed,
    "a router with prompts, cut": all_of(routed, prompts(query="ask: ", document="text: "), having(truncate_dim=8)),
}


def made(folder: Path, change: Change, out: Path) -> Path:
    st = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    change(st)
    st.save_pretrained(str(out), create_model_card=False)
    return out


def load(folder: Path, **fields: object) -> EmbeddingModel:
    return load_model(ModelSpec.parse({"model": str(folder), "device": "cpu", **fields}))


def compare(folder: Path, dtype: str = "float32", same: float = SAME) -> EmbeddingModel:
    """Load a folder in both ways and hold one against the other."""
    model = load_model(ModelSpec.parse({"model": str(folder), "device": "cpu", "dtype": dtype}))
    st = SentenceTransformer(
        str(folder), device="cpu", local_files_only=True, model_kwargs={"dtype": getattr(torch, dtype)}
    )
    # On the left, some families count the padding as positions; a text alone has none.
    for kind, theirs in (("query", st.encode_query), ("passage", st.encode_document)):
        expected = theirs(list(TEXTS), batch_size=1, normalize_embeddings=model.similarity == "cosine")
        found = model.encode(TEXTS, kind)
        assert found.shape == expected.shape
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(found, expected.astype(np.float32), atol=same * scale, rtol=0, err_msg=kind)
    assert model.similarity == st.similarity_fn_name
    return model


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_configuration(name: str, tiny_bert: Path, tmp_path: Path) -> None:
    compare(made(tiny_bert, CONFIGURATIONS[name], tmp_path / "model"))


# What depends on the family: where it pads, what it pools, how it cuts and reads.
OF_EVERY_FAMILY = (
    "query and document",
    "prompts left out of the mean",
    "lasttoken",
    "cls, mean and last",
    "dense, normalized, cut",
    "shorter",
    "lower case",
    "dot",
    "a router",
)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", FAMILIES[1:])
def test_every_family(family: str, side: str, tiny_model_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = tiny_model_folder(family, side)
    for name in OF_EVERY_FAMILY:
        compare(made(folder, CONFIGURATIONS[name], tmp_path / name.replace(" ", "-")))


def converted(st: SentenceTransformer, dtype: str) -> None:
    st.to(getattr(torch, dtype))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("stored", [True, False], ids=["stored", "asked for"])
def test_half_precision(dtype: str, stored: bool, tiny_bert: Path, tmp_path: Path) -> None:
    change = having(truncate_dim=8)
    if stored:
        change = all_of(change, lambda st: converted(st, dtype))
    folder = made(tiny_bert, change, tmp_path / "half")
    # Padding moves the last bits, of which half precision has few.
    compare(folder, dtype, 3e-2 if dtype == "bfloat16" else 4e-3)
    compare(folder)


def test_layers_that_share_their_weights(tmp_path: Path) -> None:
    import transformers

    tokenizer: Any = make_tokenizer(BUILDERS["bert"][1])
    config = transformers.AlbertConfig(
        vocab_size=len(tokenizer), embedding_size=16, hidden_size=HIDDEN, intermediate_size=48, num_hidden_layers=3,
        num_attention_heads=4, max_position_embeddings=128, pad_token_id=0,
    )  # fmt: skip
    model = transformers.AlbertModel(config).eval()
    randomize(model, 0)
    model.save_pretrained(tmp_path / "albert")
    tokenizer.save_pretrained(tmp_path / "albert")
    for name in ("query and document", "cls, mean and last", "a router"):
        compare(made(tmp_path / "albert", CONFIGURATIONS[name], tmp_path / name.replace(" ", "-")))


@pytest.mark.minilm
@pytest.mark.parametrize("name", ["nothing", "a default and empty prompts", "cut", "dot"])
def test_the_default_model(name: str, minilm: EmbeddingModel, tmp_path: Path) -> None:
    values = {"cut": having(truncate_dim=64)}
    compare(made(Path(minilm.source), values.get(name, CONFIGURATIONS[name]), tmp_path / "minilm"))


TEMPLATE = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }} . {% endfor %}"


@pytest.mark.parametrize("saved", [True, False], ids=["sentence-transformers", "transformers"])
def test_a_chat_template_is_the_models_own_reading(
    saved: bool, tiny_model_folder: Callable[..., Path], tmp_path: Path
) -> None:
    """sentence-transformers renders texts by it where it is there."""
    folder = shutil.copytree(tiny_model_folder("qwen3"), tmp_path / "plain")
    plain = load(folder).encode(TEXTS)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    if saved:
        folder = made(folder, prompts(query="ask: "), tmp_path / "saved")
    model = load_model(ModelSpec(model=str(folder), device="cpu"))
    st = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    if not saved:
        st[1] = modules.Pooling(HIDDEN, pooling_mode="lasttoken")
    for kind, theirs in (("query", st.encode_query), ("passage", st.encode_document)):
        expected = theirs(list(TEXTS), batch_size=1, normalize_embeddings=True)
        np.testing.assert_allclose(model.encode(TEXTS, kind), expected, atol=SAME, err_msg=kind)
    # Numbers of texts without the template are not taken for those with it.
    assert (np.abs(model.encode(TEXTS) - plain).max() > 1e-2) == (model.determining() == {"reading": "own"})
