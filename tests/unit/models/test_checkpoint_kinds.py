"""Every shape of model folder works, or is named in one line that says what would work (docs/models.md)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules

from gaprune_viz.config import ModelSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.targets import inventory
from tests.unit.models.folders import TEXTS, change, load, refusal


def saved(tiny: Path, out: Path) -> Path:
    SentenceTransformer(str(tiny), device="cpu", local_files_only=True).save_pretrained(
        str(out), create_model_card=False
    )
    return out


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("SparseEncoder", "is a sparse encoder (SPLADE"),
        ("CrossEncoder", "is a CrossEncoder (a reranker)"),
        ("MultiVectorEncoder", "is a multi-vector encoder (ColBERT"),
    ],
)
def test_models_of_sentence_transformers_that_give_no_dense_embedding(
    kind: str, words: str, tiny_bert: Path, tmp_path: Path
) -> None:
    folder = saved(tiny_bert, tmp_path / "st")
    change(folder / "config_sentence_transformers.json", model_type=kind)
    assert words in refusal(folder)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("sentence_transformers.sparse_encoder.modules.SpladePooling", "is a sparse encoder"),
        ("sentence_transformers.sparse_encoder.models.MLMTransformer.MLMTransformer", "is a sparse encoder"),
        ("sentence_transformers.models.StaticEmbedding", "is a static embedding"),
        ("sentence_transformers.models.WordEmbeddings", "is made of word vectors"),
        ("sentence_transformers.models.BoW", "counts words"),
        ("pylate.models.Dense.Dense", "is a multi-vector encoder"),
        ("sentence_transformers.models.CLIPModel", "needs the module"),
        ("sentence_transformers.models.LSTM", "needs the module"),
    ],
)
def test_modules_without_a_transformer_to_prune(kind: str, words: str, copy: Path) -> None:
    (copy / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": "", "type": kind}]))
    assert words in refusal(copy)


def test_a_static_embedding_as_it_is_saved(tiny_bert: Path, tmp_path: Path) -> None:
    tokenizer = SentenceTransformer(str(tiny_bert), device="cpu", local_files_only=True).tokenizer
    static = modules.StaticEmbedding(tokenizer.backend_tokenizer, embedding_dim=8)
    SentenceTransformer(modules=[static], device="cpu").save_pretrained(
        str(tmp_path / "static"), create_model_card=False
    )
    assert "is a static embedding" in refusal(tmp_path / "static")


def test_a_cross_encoder_without_its_modules(copy: Path) -> None:
    change(copy / "config.json", architectures=["BertForSequenceClassification"])
    assert "is a BertForSequenceClassification: a CrossEncoder (reranker) or a classifier" in refusal(copy)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"quant_method": "gptq", "bits": 4}, "quantized weights (4-bit gptq)"),
        ({"quant_method": "awq", "bits": 4}, "quantized weights (4-bit awq)"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "quantized weights (4-bit bitsandbytes)"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "quantized weights (8-bit bitsandbytes)"),
        ({"quant_method": "fp8"}, "quantized weights (fp8)"),
        ([], "quantized weights (quantized)"),
    ],
)
def test_quantized_weights(told: Any, words: str, copy: Path) -> None:
    change(copy / "config.json", quantization_config=told)
    assert words in refusal(copy)
    assert "bfloat16" in refusal(copy)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("model-q4_k_m.gguf", "it holds GGUF weights, for llama.cpp"),
        ("onnx/model.onnx", "it holds ONNX weights"),
        ("openvino/openvino_model.bin", "it holds OpenVINO weights"),
        ("tf_model.h5", "it holds TensorFlow weights"),
        ("flax_model.msgpack", "it holds Flax weights"),
        ("rust_model.ot", "it holds weights for Rust"),
        ("model.npz", "holds no safetensors weights."),
    ],
)
def test_weights_of_other_programs(file: str, words: str, copy: Path) -> None:
    place = copy / file
    place.parent.mkdir(exist_ok=True)
    (copy / "model.safetensors").rename(place)
    assert words in refusal(copy)


def test_a_folder_of_nothing_but_gguf(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    assert "it holds GGUF weights" in refusal(tmp_path)


def test_a_folder_whose_model_lies_deeper(copy: Path) -> None:
    (copy.parent / "checkpoint-100").mkdir()
    shutil.move(copy, copy.parent / "run" / "checkpoint-200")
    assert "Its folder checkpoint-200 holds one: give that." in refusal(copy.parent / "run")


NESTED: Any = {"a": [{"b": None}]}
ODD = (None, 7, -1, 0, 1e400, "x", "", [], ["x"], {}, NESTED, True)
FIELDS = {
    "config_sentence_transformers.json": (
        *("prompts", "default_prompt_name", "truncate_dim", "similarity_fn_name", "model_type", "__version__"),
    ),
    "modules.json": ("type", "path", "name", "idx"),
    "tokenizer_config.json": ("add_bos_token", "add_eos_token", "tokenizer_class", "model_max_length"),
    "sentence_bert_config.json": ("max_seq_length", "do_lower_case", "modality_config"),
    "1_Pooling/config.json": ("pooling_mode", "embedding_dimension", "include_prompt"),
    "config.json": ("quantization_config", "architectures", "model_type"),
}


@pytest.mark.parametrize(("file", "field"), [(file, field) for file, fields in FIELDS.items() for field in fields])
def test_whatever_a_file_says_a_model_loads_or_is_refused_in_one_line(
    file: str, field: str, tiny_bert: Path, tmp_path: Path
) -> None:
    folder = saved(tiny_bert, tmp_path / "st")
    text = (folder / file).read_text()
    for value in ODD:
        found = json.loads(text)
        for entry in found if isinstance(found, list) else [found]:
            entry[field] = value
        (folder / file).write_text(json.dumps(found))
        try:
            model = load(folder)
            assert np.isfinite(model.encode(TEXTS, "query")).all()
        except GapruneError as error:
            assert "\n" not in str(error) and error.hint


@pytest.mark.parametrize("text", ["", "{", "7", "[]", "null", '"x"', '[{"type": []}]', '[{"type": "x", "path": 7}]'])
@pytest.mark.parametrize(
    "file", ["modules.json", "config_sentence_transformers.json", "adapter_config.json", "tokenizer_config.json"]
)
def test_a_file_of_anything(file: str, text: str, tiny_bert: Path, tmp_path: Path) -> None:
    folder = saved(tiny_bert, tmp_path / "st")
    (folder / file).write_text(text)
    try:
        load(folder)
    except GapruneError as error:
        assert "\n" not in str(error) and error.hint


def test_a_router_of_two_models_is_named(tiny_bert: Path, tmp_path: Path) -> None:
    one, two = (SentenceTransformer(str(tiny_bert), device="cpu", local_files_only=True) for _ in range(2))
    router = modules.Router.for_query_document(list(one), list(two))  # pyright: ignore[reportArgumentType]
    SentenceTransformer(modules=[router], device="cpu").save_pretrained(str(tmp_path / "two"), create_model_card=False)
    assert "is a Router of different models (query: Transformer, document: Transformer)" in refusal(tmp_path / "two")


def test_a_router_with_one_transformer_is_pruned_like_any_other(tiny_bert: Path, tmp_path: Path) -> None:
    st = SentenceTransformer(str(tiny_bert), device="cpu", local_files_only=True)
    torch.manual_seed(0)
    routes = [st[0], st[1], modules.Dense(32, 32)], [st[0], st[1]]
    router = modules.Router.for_query_document(*routes)  # pyright: ignore[reportArgumentType]
    SentenceTransformer(modules=[router], device="cpu").save_pretrained(str(tmp_path / "one"), create_model_card=False)
    model = load(tmp_path / "one")
    assert [t.name for t in inventory(model).targets] == [t.name for t in inventory(load(tiny_bert)).targets]
    assert np.abs(model.encode(TEXTS, "query") - model.encode(TEXTS, "passage")).max() > 0.1


def test_code_inside_a_router_is_never_run(tiny_bert: Path, tmp_path: Path) -> None:
    st = SentenceTransformer(str(tiny_bert), device="cpu", local_files_only=True)
    router = modules.Router.for_query_document(list(st), list(st))  # pyright: ignore[reportArgumentType]
    SentenceTransformer(modules=[router], device="cpu").save_pretrained(str(tmp_path / "evil"), create_model_card=False)
    path = tmp_path / "evil" / "router_config.json"
    assert path.is_file()
    config = json.loads(path.read_text())
    config["types"] = dict.fromkeys(config["types"], "os.system")
    path.write_text(json.dumps(config))
    assert "never run" in refusal(tmp_path / "evil")


def test_a_router_is_pruned_refitted_and_compared(tiny_bert: Path, tiny_triplets: Any, tmp_path: Path) -> None:
    """The whole way: calibration, export, refit, comparison; queries and passages each on their own route."""
    from gaprune_viz.analysis.making import analyze
    from gaprune_viz.calibration.progress import drain
    from gaprune_viz.config import CalibrationSpec, RefitSpec, RunSpec, Settings
    from gaprune_viz.evaluation.comparison import compare_models, load_pair
    from gaprune_viz.evaluation.retrieval import Passage, RetrievalTask
    from gaprune_viz.pruning.export import prune
    from tests.conformance.test_models import CONFIGURATIONS, made

    folder = made(tiny_bert, CONFIGURATIONS["a router with prompts, cut"], tmp_path / "router")
    domain, general = map(str, tiny_triplets)
    run = RunSpec(
        model=ModelSpec(model=str(folder), device="cpu"),
        calibration=CalibrationSpec(domain=domain, general=general, samples=8),
    )
    analysis = drain(analyze(run, tmp_path / "run"))
    prune(analysis, Settings(refit=RefitSpec(refit=True, samples=8)), tmp_path / "export")
    words = ("water", "bond", "salt", "risk")
    task = RetrievalTask.of(
        "words",
        [Passage(word, f"{word} and the moon") for word in words],
        {word: f"what is {word}" for word in words},
        {word: {word: 1} for word in words},
    )
    pair = load_pair(tmp_path / "export")
    comparison, dense, _ = compare_models(pair, task)
    assert comparison.queries == 4
    st = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    both = (
        st.encode_query(list(task.queries.values()), normalize_embeddings=True)
        @ st.encode_document([p.text for p in task.corpus], normalize_embeddings=True).T
    )
    for row, ranking in enumerate(dense.rankings.values()):
        np.testing.assert_allclose([score for _, score in ranking], sorted(both[row])[::-1], atol=1e-5)


@pytest.mark.parametrize("path", ["../other", "/srv/other", "a/../../b", "..\\other", "C:\\other", "\\\\host\\share"])
def test_a_module_outside_of_its_folder_is_refused(path: str, tiny_bert: Path, tmp_path: Path) -> None:
    copy = saved(tiny_bert, tmp_path / "one")
    told = json.loads((copy / "modules.json").read_text())
    (copy / "modules.json").write_text(json.dumps([*told[:1], {**told[1], "path": path}]))
    assert "lies outside of its folder" in refusal(copy)
    (copy / "modules.json").write_text(json.dumps([{**told[0], "path": path}, *told[1:]]))
    assert "lies outside of its folder" in refusal(copy)


def test_a_route_outside_of_its_folder_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    st = SentenceTransformer(str(tiny_bert), device="cpu", local_files_only=True)
    router = modules.Router.for_query_document(list(st), list(st))  # pyright: ignore[reportArgumentType]
    SentenceTransformer(modules=[router], device="cpu").save_pretrained(str(tmp_path / "out"), create_model_card=False)
    path = tmp_path / "out" / "router_config.json"
    name = next(iter(json.loads(path.read_text())["types"]))
    path.write_text(path.read_text().replace(json.dumps(name), json.dumps(f"../{name}")))
    assert "lies outside of its folder" in refusal(tmp_path / "out")
