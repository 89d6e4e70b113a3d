"""What reading a model's files can raise, as one line for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gaprune_viz.config import DEFAULT_MODEL
from gaprune_viz.errors import GapruneError

# What transformers says of a model that it does not know itself.
NEEDS_CODE = ("trust_remote_code", "does not recognize this architecture")
# In what it says of a repository whose weights are all of another format.
LACKS_SAFETENSORS = "does not appear to have a file named model.safetensors"
# In what it says where weights do not fit; the rest is about its own options and a report in the log.
MISFIT = "ignore_mismatched_sizes"


@contextmanager
def plain_errors(source: Path | str) -> Iterator[None]:
    """Turn what loading can raise into one line for people."""
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    broken_files = (OSError, ValueError, TypeError, AttributeError, KeyError, SafetensorError, StrictDataclassError)
    try:
        yield
    except (*broken_files, RuntimeError, ImportError) as error:
        where = f"in {source.name}" if isinstance(source, Path) else repr(source)
        if any(words in str(error) for words in NEEDS_CODE):
            raise GapruneError(
                f"The model {where} needs code that does not come with transformers; code of a model is never run.",
                "Choose another model, or a newer version of transformers that knows it.",
            ) from error
        reason = _reason(error)
        if isinstance(source, str) and LACKS_SAFETENSORS in str(error):
            raise GapruneError(
                f"The model {source!r} holds no safetensors weights.",
                f"Pickled weights are refused. Download it (`hf download {source} --local-dir FOLDER`) and convert it: "
                "`gaprune-viz convert FOLDER OUT`.",
            ) from error
        if isinstance(source, Path):
            raise GapruneError(
                f"The model in {source.name} cannot be loaded: {reason}", "Check that the folder is complete."
            ) from error
        raise GapruneError(
            f"The model {source!r} cannot be loaded from the Hugging Face Hub: {reason}",
            f"Check its name and the network, or use `{DEFAULT_MODEL}` or a local folder.",
        ) from error


@contextmanager
def works(label: str) -> Iterator[None]:
    """Around the first texts that a model embeds: what its code raises is one line for people."""
    from gaprune_viz.models.memory import is_out_of_memory

    try:
        yield
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, ImportError) as error:
        if is_out_of_memory(error):
            raise
        raise GapruneError(
            f"{label} cannot embed a short text: {_reason(error)}", "Choose another model, or other settings of it."
        ) from error


def _reason(error: BaseException) -> str:
    """The first line of an error, as a sentence of at most 200 characters."""
    if MISFIT in str(error):
        return "its weights have other shapes than its configuration says."
    line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    line = textwrap.shorten(line, 200, placeholder="...")
    return line if line.endswith((".", "!", "?")) else f"{line}."
