"""What a calibration will take is known before it runs, and a limit of memory is kept to."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.analysis.cost_estimate import CALIBRATING, CHOOSING, WRITING, predict
from gaprune_viz.analysis.making import analyze
from gaprune_viz.calibration.batching import plan_steps
from gaprune_viz.calibration.memory_plan import Passes, Plan, Speed, passes_of, plan, split
from gaprune_viz.calibration.progress import drain
from gaprune_viz.calibration.statistics import TENSOR_FILE
from gaprune_viz.config import CalibrationSpec, ModelSpec, RunSpec, Sampling, Scope
from gaprune_viz.errors import GapruneError, readable
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.skeleton import Skeleton
from gaprune_viz.models.targets import inventory
from gaprune_viz.storage.workspace import folder_bytes

pytestmark = pytest.mark.slow

MIB = 2**20
SIZES = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=12)


def a_run(model: Path, sides: tuple[Path, Path], **calibration: object) -> RunSpec:
    spec = CalibrationSpec(
        domain=str(sides[0]), general=str(sides[1]), samples=12, sampling=Sampling.ALL, scope=Scope.LINEAR
    )
    return RunSpec(model=ModelSpec(model=str(model), device="cpu"), calibration=spec.with_(**calibration))


@given(shapes=SIZES, room=st.integers(1, 20_000))
def test_groups_keep_order_and_room_and_are_few(shapes: list[tuple[int, int]], room: int) -> None:
    targets = {str(i): shape for i, shape in enumerate(shapes)}
    sizes = {name: 8 * rows * columns for name, (rows, columns) in targets.items()}
    groups = split(targets, room)
    if max(sizes.values()) > room:
        assert groups is None
        return
    assert groups is not None
    assert [name for group in groups for name in group] == list(targets)
    assert max(sum(sizes[name] for name in group) for group in groups) <= room
    # Next-fit never needs more than twice the fewest possible, plus one.
    assert len(groups) <= 2 * -(-sum(sizes.values()) // room) + 1
    assert split(targets, None) == [list(targets)]


def test_disk_is_predicted_and_no_weight_is_read(
    tiny_bert: Path, tiny_triplets: tuple[Path, Path], tiny_analysis: Path
) -> None:
    found = predict(a_run(tiny_bert, tiny_triplets))
    assert found.disk_bytes == pytest.approx(folder_bytes(tiny_analysis), rel=0.15)
    assert found.weights * 16 < (tiny_analysis / TENSOR_FILE).stat().st_size
    assert found.seconds is None
    assert (found.samples, len(found.groups)) == (24, 1)


def test_seconds_are_those_of_every_stage(tiny_bert: Path, tiny_triplets: tuple[Path, Path]) -> None:
    drawn = predict(a_run(tiny_bert, tiny_triplets, samples=4, sampling=Sampling.KMEANS), timed=True)
    whole = predict(a_run(tiny_bert, tiny_triplets), timed=True)
    assert drawn.seconds == pytest.approx(sum(drawn.stages.values()))
    # Only k-means reads every query; what is written is the same, however many samples.
    assert drawn.stages[CHOOSING] > 0 == whole.stages[CHOOSING]
    assert drawn.stages[CALIBRATING] < whole.stages[CALIBRATING]
    assert drawn.stages[WRITING] == whole.stages[WRITING] > 0


@pytest.mark.parametrize("family", ["bert", "qwen3", "gpt2", "t5"])
def test_the_names_tell_the_same_targets_as_the_loaded_model(
    family: str, tiny_model_folder: object, tiny_triplets: tuple[Path, Path]
) -> None:
    from gaprune_viz.models.loading import load_model

    folder = tiny_model_folder(family)  # type: ignore[operator]
    model = load_model(ModelSpec(model=str(folder), device="cpu"))
    run = a_run(folder, tiny_triplets)
    known = {t.name: t.shape for t in inventory(model).targets}
    outline = load_model(run.model, weights=False)
    skeleton = Skeleton(outline.backbone.config, torch.float32, type(outline.backbone))
    assert skeleton.targets("linear") == known
    assert skeleton.parameters == sum(p.numel() for p in model.backbone.parameters())


def test_what_a_batch_leaves_is_what_autograd_keeps(minilm: EmbeddingModel) -> None:
    """The fake forward against the real one, byte for byte."""
    shapes = [(3, 40), (2, 7)]
    names = {t.name for t in inventory(minilm).targets}
    weighed = Skeleton(minilm.backbone.config, torch.float32, type(minilm.backbone)).footprint(shapes, names)
    own = {t.untyped_storage().data_ptr() for t in (*minilm.backbone.parameters(), *minilm.backbone.buffers())}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        address = tensor.untyped_storage().data_ptr()
        if address not in own:
            kept[address] = tensor
        return tensor

    def hook(module: torch.nn.Module, args: tuple[torch.Tensor, ...], out: torch.Tensor) -> torch.Tensor:
        keep(args[0].detach())
        return out if out.requires_grad else out.requires_grad_(True).clone()

    handles = [t.module.register_forward_hook(hook) for t in inventory(minilm).targets]
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        states = [
            minilm.backbone(input_ids=torch.full(shape, 7), attention_mask=torch.ones(shape, dtype=torch.long))
            for shape in shapes
        ]
    for handle in handles:
        handle.remove()
    assert states
    real = sum(t.untyped_storage().nbytes() for t in kept.values())
    assert weighed.saved == pytest.approx(real, rel=0.05)
    # Two operations per weight and token, and the attention.
    linear = 2 * sum(t.size for t in inventory(minilm).targets) * weighed.tokens
    assert linear < weighed.flops < 1.1 * linear


def a_plan(skeleton: Skeleton, memory: int | None, speed: Speed | None = None) -> Plan:
    targets = skeleton.targets("linear")

    def passes_at(budget: int) -> Passes:
        return Passes(((max(1, budget // 64), 64),), 4 * 4_096, 64)

    return plan(skeleton, targets, passes_at, 4_096, memory, speed)


def test_less_memory_means_smaller_batches_first_and_groups_then(minilm: EmbeddingModel) -> None:
    skeleton = Skeleton(minilm.backbone.config, torch.float32, type(minilm.backbone))
    free = a_plan(skeleton, None, Speed(1e9, 1e9))
    assert (len(free.groups), free.token_budget) == (1, 4_096)
    assert free.peak_bytes == free.model_bytes + free.sums_bytes + free.batch_bytes
    smaller = a_plan(skeleton, int(0.8 * free.peak_bytes))
    assert len(smaller.groups) == 1
    assert smaller.token_budget < 4_096
    assert smaller.peak_bytes <= 0.8 * free.peak_bytes
    tight = a_plan(skeleton, 180 * MIB, Speed(1e9, 1e9))
    assert len(tight.groups) > 1
    assert tight.peak_bytes <= 180 * MIB
    assert [name for group in tight.groups for name in group] == list(skeleton.targets("linear"))
    assert tight.seconds is not None
    assert free.seconds is not None
    assert tight.seconds > 1.2 * free.seconds
    with pytest.raises(GapruneError, match="too little"):
        a_plan(skeleton, 60 * MIB)


def test_a_limit_changes_neither_the_key_nor_the_numbers(
    tiny_bert: Path, tiny_triplets: tuple[Path, Path], tiny_analysis: Path, tmp_path: Path
) -> None:
    from gaprune_viz.calibration.statistics import Statistics

    run = a_run(tiny_bert, tiny_triplets)
    small = run.calibration.with_(token_budget=256)
    whole = predict(run.with_(calibration=small))
    least = whole.peak_bytes - whole.sums_bytes // 2
    limited = run.with_(calibration=small.with_(memory=least / 2**30))
    assert 1 < len(predict(limited).groups) <= 3
    # In the same batches: only the groups differ, and nothing is added up in another order.
    before = Statistics.open(drain(analyze(run.with_(calibration=small), tmp_path / "whole")))
    after = Statistics.open(drain(analyze(limited, tmp_path / "less")))
    assert Statistics.open(tiny_analysis).document["key"] == before.document["key"] == after.document["key"]
    for side in ("domain", "general"):
        first, second = before.document["data"][side], after.document["data"][side]
        assert first.pop("mean_loss") == pytest.approx(second.pop("mean_loss"), rel=1e-6)
        assert first == second
    for name in before.names:
        for field in ("fisher_domain", "fisher_general", "grad_domain", "grad_general", "act_domain", "act_general"):
            a, b = before.tensor(name, field).double(), after.tensor(name, field).double()
            assert float((a - b).norm() / a.norm()) < 1e-6, (name, field)


def test_every_sample_is_in_one_share(minilm: EmbeddingModel, tiny_triplets: tuple[Path, Path]) -> None:
    from gaprune_viz.data.triplets import load_triplets

    triplets = load_triplets(str(tiny_triplets[0]), columns=None, embed=minilm.encode, seed=0).triplets
    shares = [plan_steps(minilm, triplets, 64, share=(rank, 5)) for rank in range(5)]
    seen = [sample for steps in shares for step in steps for sample in step.samples]
    assert sorted(seen) == list(range(len(triplets)))
    tokens = passes_of({"domain": plan_steps(minilm, triplets, 64)}).tokens
    assert sum(passes_of({"domain": steps}).tokens for steps in shares) == pytest.approx(tokens, rel=0.2)


def test_figures_read_no_tensor(tiny_analysis: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Summary, histograms and sketch are enough for everything that is drawn."""
    from gaprune_viz.analysis.opening import open_analysis
    from gaprune_viz.app.frame.summary_row import headline_html
    from gaprune_viz.app.session.view import Live, Shown, View
    from gaprune_viz.app.tabs.atlas import view as atlas
    from gaprune_viz.app.tabs.distributions import view as distributions
    from gaprune_viz.calibration.statistics import Statistics
    from gaprune_viz.config import Settings

    def refuse(self: Statistics, name: str, field: str) -> torch.Tensor:
        raise AssertionError(f"{field} of {name} was read")

    monkeypatch.setattr(Statistics, "tensor", refuse)
    shown, analysis = Shown(View(), Settings()), open_analysis(tiny_analysis)
    preview = analysis.live.preview(shown.settings)
    table = analysis.summary.assign(
        pruned_fraction=preview.pruned_fraction, score_mean=preview.score_mean, threshold=preview.thresholds
    )
    # What it would look up for itself is that of the page's own analysis.
    vars(shown)["now"] = Live(analysis, preview, table)
    assert atlas.atlas_html(shown)
    assert headline_html(shown.now)
    assert len(distributions.densities(shown.now)) == 4
    assert atlas.detail_figure(shown)
    assert distributions.scatter_figure(shown, "scope")


def test_tensors_are_mapped_not_copied(tiny_analysis: Path) -> None:
    from gaprune_viz.calibration.statistics import Statistics

    statistics = Statistics.open(tiny_analysis)
    name = statistics.names[0]
    first, second = (statistics.tensor(name, "fisher_domain") for _ in range(2))
    assert first.data_ptr() == second.data_ptr()
    assert any(TENSOR_FILE in line for line in Path("/proc/self/maps").read_text().splitlines())


def test_sizes_for_people() -> None:
    assert [readable(n) for n in (12, 5_000, 3 * MIB, 5 * 2**31)] == ["12 B", "5 KiB", "3 MiB", "10.0 GiB"]
