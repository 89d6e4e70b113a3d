"""The collection that is searched: laid out by the Retrieval tab, read by every tab that measures."""

from __future__ import annotations

from importlib.util import find_spec

import gradio as gr

from gaprune_viz.config import STARTER_DOMAINS, STARTER_LABELS

# A part that is encoded in about the time of a starter collection.
ONTOLOGY_PASSAGES = 300
ONTOLOGY_TASKS = tuple(
    (label, f"ontology:{name}:{ONTOLOGY_PASSAGES}") for label, name in (("ChEBI", "chebi"), ("MONDO", "mondo"))
)


def collection_picker(source: str) -> gr.Dropdown:
    """The picker, not yet on the page: `render` puts it there."""
    return gr.Dropdown(
        task_choices(),
        value=source,
        label="Search in",
        info="A starter collection, ontology:chebi or ontology:mondo, or the path of a BEIR folder or .zip "
        "(behind it, #identical-ids=keep lets a query find the passage of its own id).",
        allow_custom_value=True,
        elem_id="gv-task",
        scale=1,
        min_width=200,
        render=False,
    )


def task_choices() -> list[tuple[str, str]]:
    """Collections to pick from: the starters, and ontologies where they are installed."""
    starters = [(STARTER_LABELS[name], name) for name in STARTER_DOMAINS]
    if find_spec("cellxgene_ontology_guide") is None:
        return starters
    return [*starters, *((f"{label}, {ONTOLOGY_PASSAGES} definitions", name) for label, name in ONTOLOGY_TASKS)]
