"""What is put before queries and passages, and who says so.

In this order: what a person gives, what the model's folder says, what mteb's registry says of the model's name, none.
mteb is asked in a process of its own: it takes seconds and half a gigabyte to load, and no model needs it otherwise.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from gaprune_viz.config import ModelSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.storage.json_files import stored_json
from gaprune_viz.storage.workspace import workspace, write_whole

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

GIVEN, MODEL, REGISTRY, NONE = "given", "model", "mteb", "none"
LOOKUP_SECONDS = 120
# Run with the name as its argument; prints one line of JSON at the end.
_LOOKUP = """
import json, sys, warnings
warnings.simplefilter("ignore")
from mteb import get_model_meta
try:
    told = get_model_meta(sys.argv[1]).loader_kwargs
except (KeyError, ValueError):
    told = {}
prompts = {str(getattr(k, "value", k)): v for k, v in (told.get("model_prompts") or {}).items() if isinstance(v, str)}
template = told.get("instruction_template")
print(json.dumps({"prompts": prompts, "template": template if isinstance(template, str) else ""}))
"""


@dataclass(frozen=True)
class Prompts:
    """The prompts of a model, and of each kind who said it: `given`, `model`, `mteb` or `none`."""

    query: str
    passage: str
    query_from: str
    passage_from: str
    note: str = ""

    @property
    def sources(self) -> dict[str, str]:
        return {"query": self.query_from, "passage": self.passage_from}


@dataclass(frozen=True)
class Registered:
    """What mteb's registry says of a model: its prompts for retrieval, and a template of instructions if it has one."""

    query: str = ""
    passage: str = ""
    template: str = ""


def folder_prompts(st: SentenceTransformer) -> tuple[str, str]:
    """What `encode_query` and `encode_document` of sentence-transformers put before a text."""
    prompts: Mapping[str, str | None] = st.prompts or {}
    default = prompts.get(st.default_prompt_name) if st.default_prompt_name else None
    if not all(prompt is None or isinstance(prompt, str) for prompt in prompts.values()):
        raise GapruneError("A prompt of the model is no text.", "Put it right in config_sentence_transformers.json.")

    def first(*names: str) -> str:
        return next((prompts[name] for name in names if name in prompts), default) or ""

    return first("query"), first("document", "passage", "corpus")


def prompts_of(spec: ModelSpec, st: SentenceTransformer, name: str | None) -> Prompts:
    """The prompts in force.

    Args:
        spec: what a person gave: None where nothing, an empty text for no prompt.
        name: of the model on the Hugging Face Hub, where it is certain.
    """
    own, note = folder_prompts(st), _unused(st)
    known = Registered()
    if name and not any(own) and None in (spec.query_prompt, spec.passage_prompt):
        try:
            known = registered(name)
        except GapruneError as error:
            # The model can be used without: whoever reads its numbers is told.
            note += f" {error}"
        if known.template and not (known.query or known.passage):
            note += f" mteb gives {name} an instruction for each task ({known.template!r}); give one as query prompt."
    found = []
    for given, from_folder, from_registry in (
        (spec.query_prompt, own[0], known.query),
        (spec.passage_prompt, own[1], known.passage),
    ):
        if given is not None:
            found.append((given, GIVEN))
        elif from_folder:
            found.append((from_folder, MODEL))
        else:
            found.append((from_registry, REGISTRY if from_registry else NONE))
    (query, query_from), (passage, passage_from) = found
    return Prompts(query, passage, query_from, passage_from, note.strip())


def _unused(st: SentenceTransformer) -> str:
    """A sentence on a prompt of the folder that sentence-transformers puts before neither queries nor documents."""
    own = folder_prompts(st)
    for name in dict.fromkeys([st.default_prompt_name, "passage", "corpus"]):
        prompt = (st.prompts or {}).get(name) if name else None
        if prompt and prompt not in own:
            return (
                f"The model's prompt `{name}` ({prompt!r}) is put before neither queries nor passages, as in "
                "sentence-transformers' encode_query and encode_document; give it as a prompt if it is meant."
            )
    return ""


def told(query: str, passage: str, sources: Mapping[str, str]) -> str:
    """Prompts for people, in one line."""
    names = {GIVEN: "given", MODEL: "the model's own", REGISTRY: "of mteb's registry", NONE: ""}
    parts = []
    for kind, prompt in (("queries", query), ("passages", passage)):
        source = names.get(sources.get("query" if kind == "queries" else "passage", NONE), "")
        parts.append(f"{kind} {prompt!r}{f' ({source})' if source else ''}" if prompt else f"{kind} none")
    return ", ".join(parts)


@cache
def registered(name: str) -> Registered:
    """What mteb's registry says of a name; nothing where it does not know it. Kept in the workspace, by mteb's version.

    Raises:
        GapruneError: mteb cannot be asked.
    """
    kept = _kept()
    if name not in kept:
        kept[name] = _ask(name)
        _keep(kept)
    prompts, template = kept[name]["prompts"], kept[name]["template"]
    # As mteb itself looks them up for a search.
    query = next((prompts[key] for key in ("Retrieval-query", "Retrieval", "query") if key in prompts), "")
    passage = next((prompts[key] for key in ("Retrieval-document", "Retrieval", "document") if key in prompts), "")
    return Registered(query, passage, template)


def _ask(name: str) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [sys.executable, "-c", _LOOKUP, name],
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            timeout=LOOKUP_SECONDS,
            check=True,
        )
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        raise GapruneError(
            f"mteb's registry cannot be asked for the prompts of {name}.",
            "Give them: --query-prompt and --passage-prompt (an empty text for none), or install mteb again.",
        ) from error


def _place():
    return workspace() / f"prompts-mteb-{version('mteb')}.json"


def _kept() -> dict[str, Any]:
    try:
        found = stored_json(_place())
        return {name: told for name, told in found.items() if _is_whole(told)}
    except (OSError, ValueError, AttributeError, GapruneError):
        return {}


def _is_whole(told: Any) -> bool:
    prompts = told.get("prompts") if isinstance(told, dict) else None
    return (
        isinstance(prompts, dict)
        and isinstance(told.get("template"), str)
        and all(isinstance(prompt, str) for prompt in prompts.values())
    )


def _keep(kept: dict[str, Any]) -> None:
    try:
        write_whole(_place(), json.dumps(kept, ensure_ascii=False))
    except GapruneError:
        # It is asked again.
        return
