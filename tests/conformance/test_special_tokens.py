"""The special tokens that a tokenizer promises are read, whichever of them its file adds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sentence_transformers import SentenceTransformer

from gaprune_viz.config import ModelSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.files.special_tokens import surroundings
from gaprune_viz.models.loading import load_model
from tests.conformance.test_models import load


# Which of the two tokens tokenizer.json adds, and what tokenizer_config.json promises.
@pytest.mark.parametrize("begin", [True, False])
@pytest.mark.parametrize("end", [True, False])
@pytest.mark.parametrize("template", ["<s> $A", "$A </s>", "<s> $A </s>", "$A"])
def test_promised_tokens_are_read(
    begin: bool, end: bool, template: str, tiny_model_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = promising(tiny_model_folder("roberta"), tmp_path / "promising", begin, end, template)
    model = load_model(ModelSpec(model=str(folder), device="cpu"))
    name = model.tokenizer.convert_ids_to_tokens
    bare = name(model.tokenizer("water", add_special_tokens=False)["input_ids"])
    expected = [*(["<s>"] if begin else []), *bare, *(["</s>"] if end else [])]
    assert len(bare) > 0
    assert name(model.token_ids(["water"], "query")[0]) == expected
    assert tuple(map(name, surroundings(model.tokenizer))) == (["<s>"] * begin, ["</s>"] * end)
    # Cut texts end as they should, and what is saved reads alike without any of this.
    cut = load_model(ModelSpec(model=str(folder), device="cpu", max_length=8)).token_ids(["water " * 20], "query")[0]
    assert len(cut) == 8
    assert (name(cut)[-1] == "</s>") == end
    model.st.save_pretrained(str(tmp_path / "saved"), create_model_card=False)
    again = SentenceTransformer(str(tmp_path / "saved"), device="cpu", local_files_only=True)
    assert name(again.tokenizer("water")["input_ids"]) == expected
    repaired = template.split() != [*(["<s>"] if begin else []), "$A", *(["</s>"] if end else [])]
    assert bool(model.tokens_added) == repaired
    assert ("promises other special tokens" in " ".join(model.notes)) == repaired


def test_of_other_tokenizers_only_what_is_missing_is_added(
    tiny_model_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tiny_model_folder("roberta")
    kind = "PreTrainedTokenizerFast"
    lacking = load(promising(folder, tmp_path / "a", True, True, "<s> $A", kind))
    assert lacking.tokens_added == "<s> A </s>"
    more = load(promising(folder, tmp_path / "b", False, False, "<s> $A", kind))
    assert more.tokens_added == ""
    name = more.tokenizer.convert_ids_to_tokens
    assert name(more.token_ids(["water"], "query")[0]) == ["<s>", "water"]


def test_a_token_that_is_promised_and_not_there(tiny_model_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = promising(tiny_model_folder("qwen3"), tmp_path / "none", True, False, "$A", "PreTrainedTokenizerFast")
    with pytest.raises(GapruneError, match="add_bos_token, and the tokenizer has no such token"):
        load_model(ModelSpec(model=str(folder), device="cpu"))


def promising(folder: Path, out: Path, begin: bool, end: bool, template: str, kind: str = "LlamaTokenizerFast") -> Path:
    """A folder whose tokenizer adds what the template says, and whose configuration promises what the flags say."""
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing

    shutil.copytree(folder, out)
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    around = [piece for piece in template.split() if piece != "$A"]
    tokenizer.post_processor = TemplateProcessing(  # pyright: ignore[reportAttributeAccessIssue]
        single=template, special_tokens=[(piece, tokenizer.token_to_id(piece)) for piece in around]
    )
    tokenizer.save(str(out / "tokenizer.json"))
    path = out / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config |= {"add_bos_token": begin, "add_eos_token": end, "tokenizer_class": kind}
    path.write_text(json.dumps(config))
    return out
