"""Times between those measured, widths that are possible, and a real curve of a tiny model."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaprune_viz.config import ModelSpec, Structure
from gaprune_viz.evaluation.timing.latency_curve import SHARES, Curve, measure_curve, widths
from gaprune_viz.evaluation.timing.workloads import BATCHES, LONG_WORDS, texts_of
from gaprune_viz.models.loading import load_model
from gaprune_viz.pruning.structured.outline import Units, outline_of


def curve(*times: float, after: tuple[int, ...] = (32, 64, 128)) -> Curve:
    loads = {"long-32": tuple(times)}
    return Curve(structure=Structure.NEURONS, after=after, milliseconds=loads, threads=1, machine="here")


def test_a_time_is_told_between_its_neighbours() -> None:
    measured = curve(1.0, 2.0, 6.0)
    assert measured.expected(128)["long-32"] == 6.0
    assert measured.expected(96)["long-32"] == pytest.approx(4.0)
    assert measured.expected(48)["long-32"] == pytest.approx(1.5)
    # Narrower than was measured saves no more.
    assert measured.expected(1)["long-32"] == 1.0


def test_noise_makes_no_smaller_model_slower() -> None:
    measured = curve(3.0, 2.0, 4.0)
    told = [measured.expected(after)["long-32"] for after in (32, 64, 96, 128)]
    assert told == pytest.approx([2.5, 2.5, 3.25, 4.0])


def test_widths_are_those_that_a_model_can_have() -> None:
    units = Units(structure=Structure.NEURONS, before=1536)
    assert widths(units, SHARES) == [32, 512, 1024]
    assert widths(units, ()) == [32]
    heads = Units(structure=Structure.HEADS, before=8, refused={3: ("no", ""), 5: ("no", "")})
    assert widths(heads, SHARES) == [1]
    layers = Units(structure=Structure.LAYERS, before=6, fixed=1)
    assert widths(layers, SHARES) == [1, 2, 4]


def test_texts_are_as_many_as_the_largest_batch_takes() -> None:
    found = texts_of(["one", "two"], ["a b c", "d e"])
    assert {len(texts) for texts in found.values()} == {max(BATCHES)}
    assert {len(text.split()) for text in found["long"]} == {LONG_WORDS}
    assert found["short"][:3] == ["one", "two", "one"]


def test_a_real_curve_ends_with_the_dense_model_and_stops_when_told(tiny_bert: Path) -> None:
    model = load_model(ModelSpec(model=str(tiny_bert), device="cpu", max_length=32))
    before = {name: p.clone() for name, p in model.backbone.named_parameters()}
    units, told = outline_of(model).units[Structure.LAYERS], list[tuple[int, int]]()
    found = measure_curve(model, units, lambda done, total: told.append((done, total)), rounds=1)
    assert found.after == (1, 2)
    assert set(found.milliseconds) == {"short-1", "short-32", "long-1", "long-32"}
    assert all(time > 0 for times in found.milliseconds.values() for time in times)
    assert told == [(i, len(told)) for i in range(len(told))]
    assert all((p == before[name]).all() for name, p in model.backbone.named_parameters())

    class Halted(Exception):
        pass

    def halt(done: int, total: int) -> None:
        raise Halted

    with pytest.raises(Halted):
        measure_curve(model, units, halt, rounds=1)
