"""Every shape of model folder works, or is named in one line that says what would work (docs/models.md)."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules

from gaprune_viz.config import ModelSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.files.adapters import merged
from gaprune_viz.models.files.converting import convert
from gaprune_viz.models.files.hub_cache import entry_name, snapshot_in
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.sources import base_folder, name_and_revision, parameter_count, resolve_source
from gaprune_viz.models.targets import inventory
from tests.commands import Run

TEXTS = ["water and salt", "the price of a bond"]


def load(folder: Path | str, **fields: object):
    return load_model(ModelSpec.parse({"model": str(folder), "device": "cpu", **fields}))


def refusal(folder: Path) -> str:
    """The one line that loading a folder gives."""
    with pytest.raises(GapruneError) as raised:
        load(folder)
    line = str(raised.value)
    assert "\n" not in line
    assert raised.value.hint
    assert len(raised.value.message) < 300
    return line


@pytest.fixture
def copy(tiny_bert: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_bert, tmp_path / "model")


def change(path: Path, **values: Any) -> None:
    found = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**found, **values}))


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


# -- pickled weights --------------------------------------------------------------------------------------------------


@pytest.fixture
def pickled(tiny_bert: Path, tmp_path: Path) -> Path:
    """A folder of before safetensors, with a projection of its own, and tied weights."""
    st = SentenceTransformer(str(tiny_bert), device="cpu", local_files_only=True)
    torch.manual_seed(0)
    st.append(modules.Dense(32, 8))
    folder = tmp_path / "old"
    st.save_pretrained(str(folder), create_model_card=False)
    for path in list(folder.rglob("model.safetensors")):
        weights = load_file(path)
        if path.parent == folder:
            weights["tied"] = weights["embeddings.word_embeddings.weight"]
        torch.save(weights, path.with_name("pytorch_model.bin"))
        path.unlink()
    (folder / "training_args.json").write_text("{}")
    (folder / "evil.py").write_text("raise SystemExit\n")
    return folder


def test_pickled_weights_are_refused_with_the_command_that_converts_them(
    pickled: Path, tiny_bert: Path, tmp_path: Path, run: Run
) -> None:
    line = refusal(pickled)
    assert "Pickled weights are refused" in line
    assert f"`gaprune-viz convert {pickled} NEW_FOLDER`" in line
    done = run("convert", pickled, tmp_path / "new", "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["written"] == ["2_Dense/model.safetensors", "model.safetensors"]
    assert not list((tmp_path / "new").rglob("*.bin")) + list((tmp_path / "new").rglob("*.py"))
    st = SentenceTransformer(str(tiny_bert), device="cpu", local_files_only=True)
    torch.manual_seed(0)
    st.append(modules.Dense(32, 8))
    expected = st.encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(load(tmp_path / "new").encode(TEXTS), expected, atol=1e-6)
    again = run("convert", tmp_path / "new", tmp_path / "newer")
    assert again.status == 2
    assert "holds no pickled weights" in again.err


def test_weights_in_several_pickles(copy: Path, tmp_path: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    halves = [dict(list(weights.items())[:10]), dict(list(weights.items())[10:])]
    names = [f"pytorch_model-0000{i}-of-00002.bin" for i in (1, 2)]
    for name, half in zip(names, halves, strict=True):
        torch.save(half, copy / name)
    index = {key: name for name, half in zip(names, halves, strict=True) for key in half}
    (copy / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    expected = load(copy).encode(TEXTS)
    (copy / "model.safetensors").unlink()
    convert(copy, tmp_path / "new")
    np.testing.assert_array_equal(load(tmp_path / "new").encode(TEXTS), expected)


class Evil:
    def __reduce__(self):
        return eval, ("open('/tmp/gaprune-viz-was-here', 'w')",)


@pytest.mark.parametrize("content", ["code", "a list", "numbers", "cut short", "no zip"])
def test_what_is_no_plain_tensors_is_not_converted(content: str, copy: Path, tmp_path: Path) -> None:
    (copy / "model.safetensors").unlink()
    path = copy / "pytorch_model.bin"
    torch.save({"code": {"a": Evil()}, "a list": [1], "numbers": {"a": 1}}.get(content, {"a": torch.ones(99)}), path)
    if content == "cut short":
        path.write_bytes(path.read_bytes()[:200])
    if content == "no zip":
        path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(GapruneError, match="cannot be converted") as raised:
        convert(copy, tmp_path / "new")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "new").exists()
    assert not Path("/tmp/gaprune-viz-was-here").exists()


def test_a_conversion_never_writes_into_the_old_folder(pickled: Path) -> None:
    for out in (pickled, pickled / "new", pickled.parent):
        with pytest.raises(GapruneError):
            convert(pickled, out)


# -- routers ----------------------------------------------------------------------------------------------------------


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


# -- adapters ---------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["bert", "qwen3"])
def adapted(
    request: pytest.FixtureRequest, tiny_model_folder: Callable[..., Path], tmp_path: Path
) -> tuple[Path, Path, np.ndarray]:
    """A LoRA adapter, its base, and what the two give together."""
    peft = pytest.importorskip("peft")
    base = shutil.copytree(tiny_model_folder(request.param), tmp_path / "base")
    st = SentenceTransformer(str(base), device="cpu", local_files_only=True)
    torch.manual_seed(0)
    names = {"bert": ["query", "dense"], "qwen3": ["q_proj", "down_proj"]}[request.param]
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=names, init_lora_weights=False)
    both = peft.get_peft_model(st[0].auto_model, config)  # type: ignore[union-attr]
    both.peft_config["default"].base_model_name_or_path = str(base)
    both.save_pretrained(tmp_path / "adapter")
    # Decoders are pooled by their last token here, where nothing else is said.
    if request.param == "qwen3":
        st[1] = modules.Pooling(32, pooling_mode="lasttoken")
    st[0].model = both.merge_and_unload()  # type: ignore[assignment]
    return tmp_path / "adapter", base, st.encode(TEXTS, batch_size=1, normalize_embeddings=True)


def test_an_adapter_is_merged_into_its_base(adapted: tuple[Path, Path, np.ndarray]) -> None:
    folder, base, expected = adapted
    model = load(folder)
    np.testing.assert_allclose(model.encode(TEXTS), expected, atol=1e-5)
    assert np.abs(load(base).encode(TEXTS) - expected).max() > 1e-2
    assert any("is an adapter: this is" in note and "merged in" in note for note in model.notes)
    assert model.label == "adapter"
    # The same is found again; another adapter is another model.
    assert load(folder).weight_hash == model.weight_hash
    assert load(folder).source == model.source
    assert parameter_count(ModelSpec(model=str(folder))) > parameter_count(ModelSpec(model=str(base)))


def test_an_adapter_of_a_model_that_writes_text(tiny_model_folder: Callable[..., Path], tmp_path: Path) -> None:
    """It names the weights one level deeper than the model that embeds does."""
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    base = shutil.copytree(tiny_model_folder("qwen3"), tmp_path / "base")
    torch.manual_seed(0)
    config = peft.LoraConfig(r=4, target_modules=["q_proj", "up_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    both = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    both.peft_config["default"].base_model_name_or_path = str(base)
    both.save_pretrained(tmp_path / "adapter")
    st = SentenceTransformer(str(base), device="cpu", local_files_only=True)
    st[1] = modules.Pooling(32, pooling_mode="lasttoken")
    st[0].model = both.merge_and_unload().model  # type: ignore[assignment]
    expected = st.encode(TEXTS, batch_size=1, normalize_embeddings=True)
    np.testing.assert_allclose(load(tmp_path / "adapter").encode(TEXTS), expected, atol=1e-5)


def test_an_adapter_is_found_beside_its_base(adapted: tuple[Path, Path, np.ndarray]) -> None:
    folder, _, expected = adapted
    change(folder / "adapter_config.json", base_model_name_or_path="/somewhere/else/base")
    np.testing.assert_allclose(load(folder).encode(TEXTS), expected, atol=1e-5)


def test_an_adapter_without_its_base(adapted: tuple[Path, Path, np.ndarray]) -> None:
    folder = adapted[0]
    change(folder / "adapter_config.json", base_model_name_or_path="no-such-org/no-such-model")
    assert "is a PEFT adapter of no-such-org/no-such-model, which is not at hand" in refusal(folder)


def test_an_adapter_of_another_model(adapted: tuple[Path, Path, np.ndarray], tiny_model_folder: Any) -> None:
    folder = adapted[0]
    change(folder / "adapter_config.json", base_model_name_or_path=str(tiny_model_folder("gpt2")))
    assert "adapter" in refusal(folder)


def test_an_adapter_where_peft_is_missing(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (copy / "model.safetensors").rename(copy / "adapter_model.safetensors")
    (copy / "config.json").unlink()
    change(copy / "adapter_config.json", base_model_name_or_path="org/base", peft_type="LORA")
    monkeypatch.setattr("gaprune_viz.models.files.adapters.importlib.util.find_spec", lambda name: None)
    with pytest.raises(GapruneError, match="is a PEFT adapter of org/base, and peft") as raised:
        merged(copy, base_folder)
    assert "pip install 'gaprune-viz[peft]'" in raised.value.hint


def test_a_pickled_adapter(copy: Path) -> None:
    for name in ("model.safetensors", "config.json"):
        (copy / name).unlink()
    (copy / "adapter_model.bin").write_bytes(b"")
    change(copy / "adapter_config.json", base_model_name_or_path="org/base")
    assert "holds no adapter_model.safetensors" in refusal(copy)


# -- names ------------------------------------------------------------------------------------------------------------

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "89abcdef0123456789abcdef0123456789abcdef"


@pytest.fixture
def cached(tiny_bert: Path, tmp_path: Path) -> Path:
    """A cache of the Hub with one model in it, of two commits."""
    entry = tmp_path / "hub" / "models--some-org--tiny-model"
    for commit in (COMMIT, OTHER):
        shutil.copytree(tiny_bert, entry / "snapshots" / commit)
    (entry / "refs").mkdir()
    (entry / "refs" / "main").write_text(COMMIT)
    return entry


def test_a_folder_of_the_hubs_cache(cached: Path) -> None:
    model = load(cached)
    assert Path(model.source).name == COMMIT
    assert model.label == "tiny-model"
    assert entry_name(Path(model.source)) == "some-org/tiny-model"
    assert entry_name(cached) == "some-org/tiny-model"
    assert Path(load(cached, revision=OTHER[:8]).source).name == OTHER
    assert Path(load(f"{cached}@{OTHER}").source).name == OTHER
    assert load(cached / "snapshots" / OTHER).label == "tiny-model"
    with pytest.raises(GapruneError, match="holds 2 snapshots, none of them of 'v2'"):
        snapshot_in(cached, "v2")
    assert entry_name(cached.parent) is None


def test_a_cached_model_by_its_name_offline(cached: Path) -> None:
    """In a process of its own: the place of the cache is read once."""
    script = (
        "from gaprune_viz.config import ModelSpec\n"
        "from gaprune_viz.models.loading import load_model\n"
        "import sys\n"
        "for name in sys.argv[1:]:\n"
        "    spec = ModelSpec(model=name, device='cpu', query_prompt='', passage_prompt='')\n"
        "    model = load_model(spec)\n"
        "    print(model.label, model.source, len(model.encode(['water'])))\n"
    )
    import os

    environment = {**os.environ, "HF_HUB_CACHE": str(cached.parent), "HF_HUB_OFFLINE": "1"}
    names = ("some-org/tiny-model", f"some-org/tiny-model@{OTHER}", "some-org/tiny-model@main")
    done = subprocess.run(
        [sys.executable, "-c", script, *names], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.splitlines() == ["tiny-model some-org/tiny-model 1"] * len(names), done.stderr


def test_a_revision_in_the_name() -> None:
    def split(**fields: Any) -> tuple[str, str | None]:
        return name_and_revision(ModelSpec(**fields))

    assert split(model="org/name@v1.0") == ("org/name", "v1.0")
    assert split(model="org/name@v1.0", revision="v1.0") == ("org/name", "v1.0")
    assert split(model="org/name", revision="v2") == ("org/name", "v2")
    assert split(model="default") == ("default", None)
    assert split(model="org/name@") == ("org/name@", None)
    with pytest.raises(GapruneError, match=r"Two revisions are given, v1\.0 in the name and v2"):
        split(model="org/name@v1.0", revision="v2")
    with pytest.raises(GapruneError, match="There is no model folder"):
        resolve_source("org/name@")


def test_a_folder_with_an_at_sign(tiny_bert: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_bert, tmp_path / "model@home")
    assert load(folder).label == "model@home"


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
