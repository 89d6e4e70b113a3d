"""The page for programs: analyze, tune, compare and export as named endpoints, for gradio_client and for MCP.

Settings are given as on the command line: a preset, and what differs from it.
"""

from __future__ import annotations

import importlib.util
import reprlib
from typing import Any

import gradio as gr
import numpy as np
from gradio.events import api

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.app.frame.long_work import analysis_of, asked, begin, watched
from gaprune_viz.app.session.access import DEMO, visitor
from gaprune_viz.app.session.downloads import new_zip
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.structures import cut_document
from gaprune_viz.app.session.view import View, live
from gaprune_viz.app.widgets.events import COMPUTE
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import (
    CalibrationSpec,
    MaskSpec,
    ModelSpec,
    RefitSpec,
    RunSpec,
    ScoreSpec,
    Settings,
    Spec,
    StructureSpec,
)
from gaprune_viz.config.fields import field_name
from gaprune_viz.config.presets import preset as preset_named
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.evaluation.comparison import comparison_document
from gaprune_viz.jobs.job_queue import MOST_WAITING
from gaprune_viz.jobs.watched_work import Work

ENDPOINTS = ("analyze", "tune", "compare", "export")
SPECS: dict[str, type[Spec]] = {"score": ScoreSpec, "mask": MaskSpec, "refit": RefitSpec, "structure": StructureSpec}
PREFIXED = ("refit", "structure")
"""Parts of the settings whose flags begin with their name."""
LIGHT: dict[str, Any] = {"concurrency_limit": 8}
HEAVY: dict[str, Any] = {"concurrency_id": COMPUTE, "concurrency_limit": MOST_WAITING}


def offer() -> None:
    """Declare the endpoints; called inside the page's Blocks."""
    api(analyze, api_name="analyze", **HEAVY)
    api(tune, api_name="tune", **LIGHT)
    api(compare, api_name="compare", **HEAVY)
    # A file comes out of a component only; `gr.api` has none.
    with gr.Column(visible=False):
        inputs = [gr.Textbox(label="analysis"), gr.Textbox("paper", label="preset"), gr.JSON({}, label="settings")]
        made, start = gr.File(label="pruned model"), gr.Button("Export")
    start.click(export, inputs, made, api_name="export", **HEAVY)


def mcp_installed() -> bool:
    """Whether the extra for the Model Context Protocol is there."""
    return importlib.util.find_spec("mcp") is not None


def analyze(
    model: str = "default",
    domain: str = "chemistry",
    general: str = "general",
    scope: str = "mlp",
    samples: int = 128,
    seed: int = 0,
    fisher: str = "contrastive",
    projections: int = 2,
) -> dict[str, Any]:
    """Compute Fisher information and mean gradients of a model on domain and general data.

    The same run is found again by its content. Takes seconds to minutes.

    Args:
        model: `default` (all-MiniLM-L6-v2), a local folder, or a Hugging Face id.
        domain: a starter name (chemistry, finance, general), or a path to triplets; of several sources `a + b`, each
            `name=path@weight` where it needs a name or a weight.
        general: the same for the data that stands for everything else.
        scope: `mlp`, `attention` or `linear` (both).
        samples: triplets per side, at least 2.
        seed: of every random choice.
        fisher: what the Fisher information is of: `contrastive` (the paper), `model` or `embedding`, which takes plain
            texts too.
        projections: random projections of each text for `embedding`.

    Returns:
        `analysis`: the id for the other endpoints; `matrices`: one record per weight matrix; `data`, `notes`;
        `effective_samples`: on how many samples each side's Fisher information rests; `gradients`: whether there are.
    """
    try:
        asked = {"domain": domain, "general": general, "scope": scope, "samples": samples, "seed": seed}
        run = RunSpec(
            model=ModelSpec.parse({"model": model}),
            calibration=CalibrationSpec.parse({**asked, "fisher": fisher, "projections": projections}),
        )
        visitor().check_run(run)
        name = visitor().admit(_waited(analysis_of(run)))
        analysis = STORE.analysis(name)
        document = analysis.statistics.document
        return {
            "analysis": name,
            "matrices": _plain(analysis.summary.to_dict("records")),
            "data": document["data"],
            "notes": document["notes"],
            "effective_samples": document.get("effective_samples"),
            "gradients": analysis.statistics.gradients,
        }
    except GapruneError as error:
        raise _said(error) from error


def tune(analysis: str = DEMO, preset: str = "paper", settings: dict[str, str | float] | None = None) -> dict[str, Any]:
    """Say what some settings would prune, from the sketch, in milliseconds.

    Args:
        analysis: id from `analyze`, or `demo`.
        preset: paper, paper-30, balanced, robust, magnitude, obd or nm-2-4.
        settings: what differs from the preset, by the names of the flags, such as {"sparsity": 0.7, "alpha": 0.5}, or
            {"structure": "neurons", "sparsity": 0.25}.

    Returns:
        `sparsity`, `kappa`, `sentence`, `term_shares`, `overlap` with every criterion, `pruned_fraction` by matrix,
        and `settings`, complete. Where whole structures go, `overlap` is empty, and `cut` says what is left: `before`
        and `after` units, `parameters` and `flops` beside `dense_parameters` and `dense_flops`, `weight_bytes`,
        `layers_gone`, and `milliseconds` a text as expected from what was measured on this machine, None before that.
    """
    try:
        now = live(View(analysis=_text("analysis", analysis)), settings_of(preset, settings))
    except GapruneError as error:
        raise _said(error) from error
    preview, sizes = now.preview, now.analysis.live.sizes
    names = now.analysis.statistics.names
    return _plain(
        {
            "sparsity": float((preview.pruned_fraction * sizes).sum() / sizes.sum()),
            "kappa": preview.kappa,
            "sentence": preview.sentence,
            "term_shares": preview.term_shares,
            "overlap": now.overlaps.overlap,
            "rank_correlation_with_magnitude": preview.rank_correlation,
            "pruned_fraction": dict(zip(names, preview.pruned_fraction.tolist(), strict=True)),
            "settings": preview.settings.model_dump(mode="json"),
            **({} if now.cut is None else {"cut": cut_document(now)}),
        }
    )


def compare(
    analysis: str,
    preset: str = "paper",
    settings: dict[str, str | float] | None = None,
    task: str = "chemistry",
) -> dict[str, Any]:
    """Search with the dense model and with the exactly pruned one, and compare every sample query.

    Args:
        analysis: id from `analyze`, or `demo`, whose masks come from compact statistics, nearly the exact ones.
        preset: as in `tune`.
        settings: as in `tune`; where whole structures go, what is compared is the smaller model itself.
        task: a starter name, or the path of a BEIR folder or .zip; `#identical-ids=keep` (or `leave-out`) behind it
            says whether a query finds the passage of its own id.

    Returns:
        means of dense and pruned (refitted where the settings say so; then also `mask_only`), differences with 95 %
        paired intervals and p values, overlap of the first ten.
    """
    try:
        found, chosen, source = _opened(analysis), settings_of(preset, settings), _text("task", task)
        sources = [STORE.check_task(source)]
        work: Work[Any] = lambda report, stopped: asked("measure", found, chosen, report, stopped, sources=sources)  # noqa: E731
        measured = _waited(work)[0]
        document = {"task": measured.name, **comparison_document(measured.comparison)}
        if measured.mask_only is not None:
            document["mask_only"] = comparison_document(measured.mask_only)["pruned"]
        return _plain(document)
    except GapruneError as error:
        raise _said(error) from error


def export(analysis: str, preset: str = "paper", settings: dict[str, str | float] | None = None) -> str:
    """Write the pruned model as one zip: a sentence-transformers folder with mask (of whole structures there is none),
    settings and model card.

    Args:
        analysis: id from `analyze`, or `demo`, as in `compare`.
        preset: as in `tune`.
        settings: as in `tune`.

    Returns:
        the path of the file; over the network the client downloads it.
    """
    try:
        chosen = settings_of(preset, settings)
        found = _opened(analysis)

        def work(report: Any, stopped: Any) -> str:
            return asked("export", found, chosen, report, stopped, file=new_zip())

        return str(_waited(work))
    except GapruneError as error:
        raise _said(error) from error


def settings_of(preset: str, changes: dict[str, str | float] | None) -> Settings:
    """A preset with some fields changed, by the names of the flags.

    Raises:
        GapruneError: there is no such preset or field, or a value is out of bounds.
    """
    base = preset_named(_text("preset", preset)).settings
    held = {part: getattr(base, part).model_dump() for part in ("score", "mask", *PREFIXED)}
    if not isinstance(changes or {}, dict):
        raise GapruneError(
            f"settings: an object is needed (got {reprlib.repr(changes)}).", 'Give for example {"sparsity": 0.7}.'
        )
    for flag, value in (changes or {}).items():
        name = flag.replace("-", "_")
        prefix = next((part for part in PREFIXED if name == part or name.startswith(f"{part}_")), "")
        part = prefix or ("score" if name in ScoreSpec.model_fields else "mask")
        held[part][field_name(name, prefix)] = value
    return Settings.parse({part: SPECS[part].parse(values) for part, values in held.items()})


def _text(name: str, value: Any) -> str:
    """A text that a program gave: nothing before this has looked at its type."""
    if not isinstance(value, str):
        raise GapruneError(f"{name}: a text is needed (got {reprlib.repr(value)}).", "See `view_api()` of the client.")
    return value


def _waited(work: Work[Any]) -> Any:
    """The end of some work; nobody watches its progress."""
    try:
        return drain(watched(work, begin(None)))
    except Cancelled as error:
        raise GapruneError("The work was stopped.", "Call again.") from error


def _opened(analysis: str) -> Analysis:
    """The analysis of an id, where it can be computed with."""
    found = STORE.analysis(_text("analysis", analysis))
    if not found.statistics.has_tensors:
        raise GapruneError("This analysis holds a sketch only.", "Call `analyze` and give the id that it returns.")
    return found


def _said(error: GapruneError) -> gr.Error:
    return gr.Error(str(error), print_exception=False)


def _plain(value: Any) -> Any:
    """Numbers of numpy as Python's, and None for what is not a number, for JSON."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
