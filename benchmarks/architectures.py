"""Tiny random models of every text architecture that transformers can build: are their statistics those of one backward
per sample, or are they refused in one line?

Each architecture is built from its configuration, made small, saved, loaded as anybody's folder is, calibrated on four
triplets and held against the slow, plain way (`tests/conformance/reference.py`). `equal` is a relative error of at most
1e-4 of every matrix; `refused` is one line for people; `not built` is what transformers, or a configuration that could
not be made small, does not let be built; anything else is a `traceback`, and there shall be none.

    python benchmarks/architectures.py --only bert phimoe --json
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gaprune_viz.calibration.domain_pass import calibrate
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import ModelSpec, Pooling
from gaprune_viz.data.schema import Triplet
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import inventory
from tests.conformance.reference import naive
from tests.tiny_models import BUILDERS, LONGEST, make_tokenizer

MOST_PARAMETERS = 4_000_000
EQUAL = 1e-4
# Larger weights saturate the attention of models without norms, whose gradients are then nothing but rounding.
STD = 0.1
HIDDEN, HEADS, LAYERS, INNER, EXPERTS = 32, 4, 2, 48, 4
# The names under which configurations keep their sizes.
SIZES: tuple[tuple[int, str], ...] = (
    (HIDDEN, "hidden_size d_model dim n_embd embedding_size emb_dim embed_dim hidden_dim"),
    (LAYERS, "num_hidden_layers n_layer n_layers num_layers encoder_layers decoder_layers num_layers_per_stack"),
    (HEADS, "num_attention_heads n_head n_heads num_heads encoder_attention_heads decoder_attention_heads"),
    (EXPERTS, "num_experts num_local_experts n_routed_experts"),
    (INNER, "intermediate_size d_ff ffn_dim n_inner encoder_ffn_dim decoder_ffn_dim d_inner ffn_hidden_size"),
    (INNER, "moe_intermediate_size intermediate_size_mlp shared_expert_intermediate_size"),
    (2, "num_key_value_heads num_experts_per_tok num_kv_heads"),
    (8, "head_dim d_kv d_head kv_channels q_lora_rank kv_lora_rank v_head_dim qk_nope_head_dim rotary_dim"),
    (4, "qk_rope_head_dim"),
    (1, "n_group topk_group n_shared_experts first_k_dense_replace"),
    (LONGEST + 2, "max_position_embeddings n_positions max_sequence_length"),
)
# What is left as it is, in turn, where a configuration takes none of the sizes above.
LEFT_OUT: tuple[tuple[str, ...], ...] = (
    (),
    ("head_dim",),
    ("layer_types",),
    ("head_dim", "layer_types"),
    ("num_hidden_layers",),
    ("num_hidden_layers", "layer_types", "head_dim"),
    ("num_key_value_heads", "num_kv_heads"),
    ("embedding_size",),
    ("max_position_embeddings",),
    ("hidden_size", "intermediate_size", "num_attention_heads"),
)
TRIPLETS = (
    Triplet("why is the price of a bond low", "a bond is a long loan with a coupon", ("water is a light liquid",)),
    Triplet("water", "rain and a river of salt water", ("the stock market is high", "a proton and an electron")),
    Triplet("what is a proton", "a proton has a charge and a mass", ("tax on income",)),
    Triplet("heat of the sun", "light and heat come from the sun to the earth", ("cash in a bank",)),
)


def main() -> None:
    """Try them, and print a line for each, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], help="names of architectures, as transformers has them")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    rows = []
    for row in measure(options.only or architectures()):
        rows.append(row)
        if not options.json:
            print(f"{row['architecture']:24} {row['result']:10} {row['detail']}", flush=True)
    counted = Counter(row["result"] for row in rows)
    print(json.dumps({"counted": counted, "architectures": rows}) if options.json else dict(counted))
    raise SystemExit(1 if counted["traceback"] or counted["different"] else 0)


def architectures() -> list[str]:
    """Names of all architectures of transformers that have a model without a head."""
    from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

    return sorted(MODEL_MAPPING_NAMES)


def measure(names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Try some architectures, each in a folder of its own."""
    for name in names:
        with tempfile.TemporaryDirectory() as temporary:
            result, detail = attempt(name, Path(temporary) / f"tiny-{name}")
        yield {"architecture": name, "result": result, "detail": detail}


def attempt(name: str, folder: Path) -> tuple[str, str]:
    """What becomes of one architecture: equal, different, refused, not built or traceback, and a line about it."""
    try:
        build(name, folder)
    # What transformers raises while it builds is not ours to judge.
    except Exception as error:
        return "not built", f"{type(error).__name__}: {_line(error)}"
    try:
        worst, where = error_of(folder)
    except GapruneError as error:
        return "refused", str(error)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return "traceback", f"{type(error).__name__}: {_line(error)} ({Path(place.filename).name}:{place.lineno})"
    return ("equal" if worst <= EQUAL else "different"), f"{worst:.1e} at {where}"


def build(name: str, folder: Path) -> None:
    """Write a tiny random model of an architecture.

    Raises:
        ValueError: it reads no text, or stays too large.
    """
    from transformers import AutoModel

    tokenizer: Any = make_tokenizer(BUILDERS["bert"][1])
    config = small(name, len(tokenizer), int(tokenizer.pad_token_id))
    torch.manual_seed(0)
    model = AutoModel.from_config(config).eval()
    if model.main_input_name != "input_ids":
        raise ValueError(f"it reads {model.main_input_name}")
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.normal_(0.0, STD, generator=generator)
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)


def small(name: str, words: int, pad: int) -> Any:
    """A configuration of an architecture, made small.

    Raises:
        ValueError: it reads no text, or stays too large however it is made small.
    """
    from transformers import AutoConfig, AutoModel

    whole = AutoConfig.for_model(name)
    if not hasattr(whole, "vocab_size"):
        raise ValueError("it reads no text, or keeps its text model in a part")
    sizes = {key: size for size, keys in SIZES for key in keys.split() if hasattr(whole, key)}
    # Where a name stands for another one, both are one.
    sizes = {key: size for key, size in sizes.items() if getattr(whole, "attribute_map", {}).get(key) not in sizes}
    kinds = getattr(whole, "layer_types", None)
    if isinstance(kinds, (list, tuple)):
        different = list(dict.fromkeys(kinds))
        sizes["layer_types"] = (different + [different[0]] * LAYERS)[:LAYERS]  # type: ignore[assignment]
    why: Exception = ValueError("nothing was tried")
    for left in LEFT_OUT:
        wanted = {key: size for key, size in sizes.items() if key not in left}
        try:
            config = AutoConfig.for_model(name, **wanted, vocab_size=words, pad_token_id=pad)
            with torch.device("meta"):
                size = sum(p.numel() for p in AutoModel.from_config(config).parameters())
        # What transformers raises is not ours to judge: another size may do.
        except Exception as error:
            why = error
            continue
        if size <= MOST_PARAMETERS:
            return config
        why = ValueError(f"{size:,} parameters are left")
    raise ValueError(_line(why)) from why


def error_of(folder: Path) -> tuple[float, str]:
    """The largest relative error of a matrix's Fisher information, and whose it is.

    Raises:
        GapruneError: the model is refused.
    """
    model = load_model(ModelSpec(model=str(folder), device="cpu", pooling=Pooling.MEAN))
    targets = inventory(model).targets
    found = drain(calibrate(model, targets, TRIPLETS, stage="", token_budget=4_096))
    expected = naive(model, targets, TRIPLETS, 0.05, "mean")
    worst, where = 0.0, targets[0].name
    for target in targets:
        want = expected.fisher[target.name].double()
        error = float((found.fisher[target.name].double() - want).norm() / max(float(want.norm()), 1e-30))
        if error > worst:
            worst, where = error, target.name
    return worst, where


def _line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")[:120]


if __name__ == "__main__":
    main()
