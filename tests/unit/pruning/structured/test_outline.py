"""What a slider is told of a cut is what the cut leaves: parameters to the last one, operations as torch counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from gaprune_viz.analysis.opening import open_analysis
from gaprune_viz.config import Allocation, Evidence, MaskSpec, ModelSpec, RefitSpec, Settings, Structure, StructureSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import inventory
from gaprune_viz.pruning.export import prune
from gaprune_viz.pruning.structured.cutting import kept_units, plan_cut
from gaprune_viz.pruning.structured.finishing import smaller
from gaprune_viz.pruning.structured.outline import STRUCTURES, TOKENS, Outline, named_targets, outline_of
from gaprune_viz.pruning.structured.size_estimate import Foreseen, foresee, preview_cut

FAMILIES = ("bert", "modernbert", "qwen3", "gpt2")
SHARES = (0.0, 0.2, 0.4, 0.5, 0.7)


def count(model: EmbeddingModel) -> int:
    return sum(p.numel() for p in model.backbone.parameters())


def cut_at(model: EmbeddingModel, spec: StructureSpec, share: float) -> EmbeddingModel:
    """A model that is really cut."""
    cut = plan_cut(model, inventory(model).targets, spec, share)
    return smaller(model, cut, kept_units(cut, [torch.arange(group.units).double() for group in cut.groups]))


def flops(backbone: nn.Module, layers_only: int) -> int:
    """What torch counts in one text of TOKENS tokens, less what is outside the layers."""
    from torch.utils.flop_counter import FlopCounterMode

    ids = torch.full((1, TOKENS), 3)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        backbone(input_ids=ids, attention_mask=torch.ones_like(ids))
    return counter.get_total_flops() - layers_only


@pytest.mark.parametrize("family", FAMILIES)
def test_parameters_are_those_of_the_cut_model(tiny_model_folder: Callable[..., Path], family: str) -> None:
    spec = ModelSpec(model=str(tiny_model_folder(family)), device="cpu")
    model = load_model(spec)
    outline = outline_of(model)
    assert outline.parameters == count(model)
    # Without its weights a model says the same, and so does what was kept of it.
    weightless = load_model(spec, weights=False)
    assert outline_of(weightless, named_targets(weightless, {})) == outline
    assert Outline.model_validate_json(outline.model_dump_json()) == outline
    for structure in STRUCTURES:
        units, chosen = outline.units[structure], StructureSpec(structure=structure, multiple=1)
        if units.refusal is not None:
            with pytest.raises(GapruneError) as said:
                plan_cut(model, inventory(model).targets, chosen, 0.5)
            assert (said.value.message, said.value.hint) == units.refusal
            continue
        for after in range(max(1, units.fixed), units.before):
            if after in units.refused or (structure is Structure.NEURONS and after % 7):
                continue
            less = cut_at(model, chosen, 1 - after / units.before)
            # The scores rise with the index: of layers, the last ones stay beside the first.
            gone = tuple(range(1, 1 + units.before - after)) if structure is Structure.LAYERS else ()
            found = Foreseen(outline, units, after, gone, np.zeros(0))
            assert found.parameters == count(less), (structure, after)


@pytest.mark.parametrize("family", ["bert", "qwen3"])
def test_operations_are_those_that_torch_counts(tiny_model_folder: Callable[..., Path], family: str) -> None:
    model = load_model(ModelSpec(model=str(tiny_model_folder(family)), device="cpu"))
    model.backbone.set_attn_implementation("eager")  # type: ignore[operator]
    outline = outline_of(model)
    assert outline.flops is not None
    beside = flops(model.backbone, 0) - outline.flops
    # BERT's pooler reads one token; nothing else multiplies outside the layers.
    assert 0 <= beside < 0.01 * outline.flops
    for structure in STRUCTURES:
        units = outline.units[structure]
        if units.refusal is None:
            less = cut_at(model, StructureSpec(structure=structure, multiple=1), 0.5)
            after = units.before - units.before // 2
            gone = tuple(range(1, 1 + units.before // 2)) if structure is Structure.LAYERS else ()
            assert Foreseen(outline, units, after, gone, np.zeros(0)).flops == flops(less.backbone, beside)


def test_the_preview_of_an_analysis(tiny_analysis: Path, tmp_path: Path) -> None:
    opened = open_analysis(tiny_analysis)
    outline = outline_of(load_model(opened.run.model))
    last, whole = None, outline.parameters
    for share in SHARES:
        settings = Settings(
            mask=MaskSpec(sparsity=share), structure=StructureSpec(structure=Structure.NEURONS, multiple=8)
        )
        preview, found = preview_cut(opened.live, opened.statistics, outline, settings)
        assert last is None or found.parameters <= last.parameters
        assert last is None or (found.flops or 0) <= (last.flops or 0)
        last = found
        gone = 1 - found.after / found.before
        for matrix, fraction in zip(opened.statistics.matrices, preview.pruned_fraction, strict=True):
            assert fraction == pytest.approx(gone if matrix.scope == "mlp" else 0.0, abs=1e-12)
        if share == 0:
            assert found.parameters == whole and "Nothing is cut" in preview.sentence
            continue
        document = prune(tiny_analysis, settings, tmp_path / f"less-{share}")
        assert document["model_weights"] == found.parameters
        assert (document["structure"]["before"], document["structure"]["after"]) == (found.before, found.after)
        assert f"{100 * (1 - found.parameters / whole):.1f} % of all parameters are gone" in preview.sentence
        assert np.isnan(preview.thresholds).all() and preview.settings == settings


def test_which_layers_go_is_foreseen_by_the_sketch_and_then_known(tiny_analysis: Path, tmp_path: Path) -> None:
    opened = open_analysis(tiny_analysis)
    outline = outline_of(load_model(opened.run.model))
    settings = Settings(mask=MaskSpec(sparsity=0.5), structure=StructureSpec(structure=Structure.LAYERS))
    preview, found = preview_cut(opened.live, opened.statistics, outline, settings)
    # Of two layers the first one stays always.
    assert found.gone == (1,) and "layer 1 by the preview" in preview.sentence
    assert prune(tiny_analysis, settings, tmp_path / "less")["model_weights"] == found.parameters
    layers = {m.name: float(m.layer == 1) for m in opened.statistics.matrices}
    known, _ = preview_cut(opened.live, opened.statistics, outline, settings, layers)
    assert "(layer 1)" in known.sentence
    assert known.pruned_fraction.tolist() == list(layers.values())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"structure": "heads"}, "no head size of its own"),
        ({"structure": "neurons", "evidence": "samples", "allocation": "row"}, "ranked within their layer"),
        ({"structure": "layers", "evidence": "samples"}, "measured of neurons, not of layers"),
        ({"structure": "layers", "refit": True}, "no layer left that could make good"),
        ({"structure": "neurons", "sparsity": 0.95, "multiple": 32}, "none would stay"),
    ],
)
def test_what_cannot_be_is_the_line_of_the_cut_itself(
    tiny_analysis: Path, tmp_path: Path, settings: dict[str, object], said: str
) -> None:
    opened = open_analysis(tiny_analysis)
    mask = {"sparsity": settings.get("sparsity", 0.5), "allocation": settings.get("allocation", Allocation.AUTO)}
    parts = {key: value for key, value in settings.items() if key in StructureSpec.model_fields}
    asked = Settings(
        mask=MaskSpec.parse(mask),
        refit=RefitSpec(refit=bool(settings.get("refit"))),
        structure=StructureSpec.parse({"evidence": Evidence.CRITERION, **parts}),
    )
    with pytest.raises(GapruneError, match=said) as told:
        foresee(outline_of(load_model(opened.run.model)), asked, opened.statistics, {})
    with pytest.raises(GapruneError) as refused:
        prune(tiny_analysis, asked, tmp_path / "less")
    assert str(told.value) == str(refused.value)
