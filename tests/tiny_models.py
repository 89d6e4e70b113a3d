"""Random models of a few thousand weights, one for each family of architectures, built on the spot.

Each is a plain transformers folder: `config.json`, `model.safetensors` and a tokenizer. Nothing is downloaded, and the
same arguments give the same numbers.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing

from gaprune_viz.models.files.construction import constructing

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

PaddingSide = Literal["left", "right"]

HIDDEN = 32
HEADS = 4
LAYERS = 2
INTERMEDIATE = 48
LONGEST = 128  # tokens
# At the usual 0.02 all texts would come out almost alike.
INIT_STD = 0.2

WORDS = """
a about acid after all an and are as asset at atom bank base bond bonds by can carbon cash cell change charge chemical
city coupon credit cycle day debt earth electron energy equity for from gas growth has have heat high how in income
interest into ion is it its less light liquid loan long low market mass metal molecule money more moon most not of on
or orbit oxygen planet plant pressure price proton rate rain reaction return risk river salt sea share short solid star
stock sun tax temperature than that the this to water wave weight what when which why wind with yield
"""


@dataclass(frozen=True)
class Words:
    """The special tokens of a family, and where they stand around a text ($A)."""

    specials: tuple[str, ...]
    pad: str
    template: str
    begin: str = ""
    end: str = ""
    separator: str = ""


_BERT = Words(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), "[PAD]", "[CLS] $A [SEP]", "[CLS]", "[SEP]", "[SEP]")
# RoBERTa's positions count from the pad id, which is 1.
_ROBERTA = Words(("<s>", "<pad>", "</s>", "<unk>", "<mask>"), "<pad>", "<s> $A </s>", "<s>", "</s>", "</s>")
# Decoders that embed end every text with a token whose state has seen all of it.
_DECODER = Words(("<pad>", "<unk>", "<bos>", "<eos>"), "<pad>", "$A <eos>", end="<eos>")
_GEMMA = Words(("<pad>", "<eos>", "<bos>", "<unk>"), "<pad>", "<bos> $A <eos>", "<bos>", "<eos>")
_T5 = Words(("<pad>", "</s>", "<unk>"), "<pad>", "$A </s>", end="</s>")


def make_tokenizer(words: Words, padding_side: PaddingSide = "right") -> PreTrainedTokenizerFast:
    """A WordPiece tokenizer of whole words and single characters: nothing written in ASCII is unknown to it."""
    characters = string.ascii_lowercase + string.digits + string.punctuation
    tokens = [*words.specials, *characters, *(f"##{c}" for c in characters), *(w for w in WORDS.split() if len(w) > 1)]
    ids = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    unknown = next(token for token in words.specials if "unk" in token.lower())
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token=unknown))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    around = [piece for piece in words.template.split() if piece != "$A"]
    tokenizer.post_processor = TemplateProcessing(
        single=words.template, special_tokens=[(piece, ids[piece]) for piece in around]
    )
    named = {"bos_token": words.begin, "eos_token": words.end, "cls_token": words.separator and words.begin}
    named |= {"sep_token": words.separator, "mask_token": next((t for t in words.specials if "mask" in t.lower()), "")}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=words.pad,
        unk_token=unknown,
        padding_side=padding_side,
        model_max_length=LONGEST,
        model_input_names=["input_ids", "attention_mask"],
        **{name: token for name, token in named.items() if token},
    )


def _common(tokenizer: PreTrainedTokenizerFast, **more: Any) -> dict[str, Any]:
    """Sizes and token ids in the names that most configurations use."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        **more,
    }


def bert(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """BERT: absolute positions, biases everywhere."""
    return transformers.BertModel(transformers.BertConfig(**_common(tokenizer, max_position_embeddings=LONGEST)))


def roberta(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """RoBERTa: positions that depend on which tokens are padding."""
    config = transformers.RobertaConfig(**_common(tokenizer, max_position_embeddings=LONGEST + 2, type_vocab_size=1))
    return transformers.RobertaModel(config)


def xlm_roberta(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """XLM-RoBERTa: as RoBERTa, under the names of the multilingual models."""
    config = transformers.XLMRobertaConfig(**_common(tokenizer, max_position_embeddings=LONGEST + 2, type_vocab_size=1))
    return transformers.XLMRobertaModel(config)


def mpnet(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """MPNet: relative attention; its matrices are called q, k, v, o."""
    return transformers.MPNetModel(transformers.MPNetConfig(**_common(tokenizer, max_position_embeddings=LONGEST + 2)))


def distilbert(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """DistilBERT: matrices called q_lin, k_lin, v_lin, out_lin, lin1, lin2."""
    config = transformers.DistilBertConfig(
        vocab_size=len(tokenizer),
        dim=HIDDEN,
        hidden_dim=INTERMEDIATE,
        n_layers=LAYERS,
        n_heads=HEADS,
        max_position_embeddings=LONGEST,
        pad_token_id=tokenizer.pad_token_id,
    )
    return transformers.DistilBertModel(config)


def modernbert(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """ModernBERT: fused query-key-value and fused gate-up, a layer of local attention, rotary positions."""
    config = transformers.ModernBertConfig(
        **_common(tokenizer, max_position_embeddings=LONGEST, local_attention=16),
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
        layer_types=["full_attention", "sliding_attention"],
    )
    return transformers.ModernBertModel(config)


def qwen2(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """Qwen2: causal, grouped keys and values, biases on them."""
    config = transformers.Qwen2Config(**_common(tokenizer, num_key_value_heads=2, max_position_embeddings=LONGEST))
    return transformers.Qwen2Model(config)


def qwen3(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """Qwen3: causal, grouped, normed queries and keys, a head dimension of its own."""
    config = transformers.Qwen3Config(
        **_common(tokenizer, num_key_value_heads=2, head_dim=12, max_position_embeddings=LONGEST)
    )
    return transformers.Qwen3Model(config)


def llama(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """Llama: causal, grouped, no biases."""
    config = transformers.LlamaConfig(**_common(tokenizer, num_key_value_heads=2, max_position_embeddings=LONGEST))
    return transformers.LlamaModel(config)


def mistral(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """Mistral: causal with a sliding window."""
    config = transformers.MistralConfig(
        **_common(tokenizer, num_key_value_heads=2, head_dim=8, max_position_embeddings=LONGEST, sliding_window=64)
    )
    return transformers.MistralModel(config)


def gemma(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """Gemma 2: causal, soft-capped attention, four norms a layer, one layer of local attention."""
    config = transformers.Gemma2Config(
        **_common(tokenizer, num_key_value_heads=2, head_dim=8, max_position_embeddings=LONGEST, sliding_window=64),
        query_pre_attn_scalar=8,
    )
    return transformers.Gemma2Model(config)


def embeddinggemma(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """Gemma 3 as EmbeddingGemma uses it: attention in both directions, four norms a layer."""
    config = transformers.Gemma3TextConfig(
        **_common(tokenizer, num_key_value_heads=1, head_dim=8, max_position_embeddings=LONGEST, sliding_window=64),
        query_pre_attn_scalar=8,
        use_bidirectional_attention=True,
    )
    return transformers.Gemma3TextModel(config)


def gpt2(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """GPT-2: causal; its matrices are Conv1D, stored [in, out]."""
    config = transformers.GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=HIDDEN,
        n_inner=INTERMEDIATE,
        n_layer=LAYERS,
        n_head=HEADS,
        n_positions=LONGEST,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return transformers.GPT2Model(config)


def gpt_neox(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """GPT-NeoX: causal, fused query-key-value, attention and MLP side by side."""
    return transformers.GPTNeoXModel(transformers.GPTNeoXConfig(**_common(tokenizer, max_position_embeddings=LONGEST)))


def t5(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """The encoder of T5, gated: relative positions, matrices called q, k, v, o, wi_0, wi_1, wo."""
    config = transformers.T5Config(
        vocab_size=len(tokenizer),
        d_model=HIDDEN,
        d_kv=HIDDEN // HEADS,
        d_ff=INTERMEDIATE,
        num_layers=LAYERS,
        num_heads=HEADS,
        feed_forward_proj="gated-gelu",
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
    )
    return transformers.T5EncoderModel(config)


BUILDERS: dict[str, tuple[Callable[[PreTrainedTokenizerFast], PreTrainedModel], Words]] = {
    "bert": (bert, _BERT),
    "roberta": (roberta, _ROBERTA),
    "xlm-roberta": (xlm_roberta, _ROBERTA),
    "mpnet": (mpnet, _ROBERTA),
    "distilbert": (distilbert, _BERT),
    "modernbert": (modernbert, _BERT),
    "qwen2": (qwen2, _DECODER),
    "qwen3": (qwen3, _DECODER),
    "llama": (llama, _DECODER),
    "mistral": (mistral, _DECODER),
    "gemma": (gemma, _GEMMA),
    "embeddinggemma": (embeddinggemma, _GEMMA),
    "gpt2": (gpt2, _DECODER),
    "gpt_neox": (gpt_neox, _DECODER),
    "t5": (t5, _T5),
}
FAMILIES = tuple(BUILDERS)
CAUSAL = frozenset({"qwen2", "qwen3", "llama", "mistral", "gemma", "gpt2", "gpt_neox"})


def build(folder: Path, family: str, *, padding_side: PaddingSide = "right", seed: int = 0) -> Path:
    """Write a tiny model of a family into a folder.

    Args:
        folder: where to write; made if it is not there.
        family: one of FAMILIES.
        padding_side: where a batch is filled up, as the tokenizer is saved.
        seed: of the weights.

    Returns:
        the folder: config.json, model.safetensors and the tokenizer.
    """
    make, words = BUILDERS[family]
    tokenizer = make_tokenizer(words, padding_side)
    with constructing():
        model = make(tokenizer).eval()
    randomize(model, seed)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    return folder


def randomize(model: PreTrainedModel, seed: int) -> None:
    """Draw all weights anew from one seed: a family's own initialisation may change with the library."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if parameter.ndim >= 2:
                parameter.normal_(0.0, INIT_STD, generator=generator)
            elif name.endswith("bias"):
                parameter.normal_(0.0, INIT_STD / 10, generator=generator)


def texts() -> Sequence[str]:
    """Four short texts of different lengths."""
    return (
        "why is the yield of a bond higher than its coupon when the price is low",
        "water",
        "a proton and an electron",
        "the interest rate of a long loan",
    )
