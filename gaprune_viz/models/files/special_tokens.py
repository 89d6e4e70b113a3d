"""The begin and end tokens that a tokenizer's configuration promises.

transformers 4 built what stands around a text from `add_bos_token` and `add_eos_token` of tokenizer_config.json;
transformers 5 takes it from tokenizer.json and drops both. Where the two files disagree, a model that pools its last
token would read the last letter of a text instead of the end token.
"""

from __future__ import annotations

from typing import Any

from gaprune_viz.errors import GapruneError

# Of these, transformers 4 built everything around a text from the flags; of all others, it added what is missing.
BY_FLAGS = frozenset(
    f"{family}Tokenizer{fast}" for family in ("Llama", "CodeLlama", "Gemma", "Cohere") for fast in ("", "Fast")
)
PROBE = "a"


def keep_promises(tokenizer: Any, config: dict[str, Any], label: str) -> str:
    """Put the begin and end tokens right that the configuration promises.

    Args:
        tokenizer: of transformers; changed in place.
        config: tokenizer_config.json as it lies in the folder.

    Returns:
        what stands around a text now, as in `<s> A </s>`; nothing where it was right.

    Raises:
        GapruneError: a token is promised that the tokenizer does not have, or that cannot be added.
    """
    flags = {name: config.get(f"add_{name}_token") for name in ("bos", "eos")}
    if all(flag is None for flag in flags.values()):
        return ""
    begin, end = surroundings(tokenizer)
    exact = str(config.get("tokenizer_class")) in BY_FLAGS
    wanted_begin = _wanted(tokenizer, "bos", flags["bos"], begin, exact, label, at_end=False)
    wanted_end = _wanted(tokenizer, "eos", flags["eos"], end, exact, label, at_end=True)
    if (wanted_begin, wanted_end) == (begin, end):
        return ""
    _set_around(tokenizer, wanted_begin, wanted_end, label)
    names = tokenizer.convert_ids_to_tokens
    return " ".join([*names(wanted_begin), "A", *names(wanted_end)])


def surroundings(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Ids of the special tokens before and after a text."""
    bare = tokenizer(PROBE, add_special_tokens=False)["input_ids"]
    whole = tokenizer(PROBE)["input_ids"]
    for start in range(len(whole) - len(bare) + 1):
        if whole[start : start + len(bare)] == bare:
            return whole[:start], whole[start + len(bare) :]
    return [], []


def _wanted(
    tokenizer: Any, name: str, flag: bool | None, found: list[int], exact: bool, label: str, *, at_end: bool
) -> list[int]:
    """The ids that shall stand on one side of a text."""
    token = getattr(tokenizer, f"{name}_token_id", None)
    if flag and token is None:
        raise GapruneError(
            f"tokenizer_config.json of {label} says add_{name}_token, and the tokenizer has no such token.",
            f"Name its {name}_token in tokenizer_config.json, or set add_{name}_token to false.",
        )
    if flag and token is not None and token not in found:
        return [*found, token] if at_end else [token, *found]
    if flag is False and exact and token in found:
        return [id for id in found if id != token]
    return found


def _set_around(tokenizer: Any, begin: list[int], end: list[int], label: str) -> None:
    from tokenizers.processors import TemplateProcessing

    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise GapruneError(
            f"The tokenizer of {label} adds other special tokens than tokenizer_config.json says.",
            "Save it again with a current transformers, as tokenizer.json.",
        )
    ids = dict.fromkeys([*begin, *end])
    names = dict(zip(ids, tokenizer.convert_ids_to_tokens(list(ids)), strict=True))
    one = [*(names[id] for id in begin), "$A", *(names[id] for id in end)]
    two = [*one, *(f"{piece.replace('$A', '$B')}:1" for piece in one)]
    backend.post_processor = TemplateProcessing(
        single=" ".join(one), pair=" ".join(two), special_tokens=[(name, id) for id, name in names.items()]
    )
