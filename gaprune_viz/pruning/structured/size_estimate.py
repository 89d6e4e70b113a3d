"""What a cut will leave, told from an outline and the scores of a sketch at every move of a slider.

Numbers of parameters are exact: they depend on how many units go, not on which. Which layers go is decided by all their
scores, of which a sketch knows a sample.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import nan

import numpy as np

from gaprune_viz.calibration.statistics import MatrixInfo, Statistics
from gaprune_viz.config import MaskSpec, RefitSpec, Settings, Structure, StructureSpec
from gaprune_viz.criteria.registry import criterion
from gaprune_viz.errors import GapruneError
from gaprune_viz.pruning.structured.counting import NOUNS, units_after
from gaprune_viz.pruning.structured.outline import Outline, Units
from gaprune_viz.pruning.structured.preconditions import refuse_settings, refuse_unanalysed
from gaprune_viz.sketch.preview import Preview
from gaprune_viz.sketch.tuning import LiveScope


@dataclass(frozen=True)
class Foreseen:
    """What a cut leaves.

    Attributes:
        units: of the structure.
        after: how many of them stay in each layer; of layers, in all.
        gone: layers that go; empty for other structures.
        fraction: share of each matrix of the scope that goes, float64 [matrices].
    """

    outline: Outline
    units: Units
    after: int
    gone: tuple[int, ...]
    fraction: np.ndarray

    @property
    def noun(self) -> str:
        return NOUNS[self.units.structure]

    @property
    def before(self) -> int:
        return self.units.before

    @cached_property
    def parameters(self) -> int:
        """Of the backbone that is left."""
        return self.outline.parameters - self._of_gone(self.units.parameters)

    @cached_property
    def flops(self) -> int | None:
        """Of one text of TOKENS tokens; None where they are not known."""
        return None if self.outline.flops is None else self.outline.flops - self._of_gone(self.units.flops)

    @property
    def weight_bytes(self) -> int:
        """Bytes of the parameters that are left."""
        return self.parameters * self.outline.weight_bytes

    @property
    def kept(self) -> list[tuple[str, int, int]]:
        """Of each structure that the model has: its name, how many stay, of how many; those of a layer, or layers."""
        found = []
        for structure, units in self.outline.units.items():
            if units.before:
                stay = self.after if structure is self.units.structure else units.before
                of = "" if structure is Structure.LAYERS else " of a layer"
                found.append((f"{NOUNS[structure].capitalize()}{of}", stay, units.before))
        return found

    def _of_gone(self, each: Sequence[int]) -> int:
        if self.units.structure is Structure.LAYERS:
            return sum(each[layer] for layer in self.gone)
        return (self.before - self.after) * each[0]


def foresee(
    outline: Outline,
    settings: Settings,
    statistics: Statistics,
    layer_scores: Mapping[int, float],
    gone: Collection[int] | None = None,
) -> Foreseen:
    """What a cut will leave.

    Args:
        settings: with a structure.
        layer_scores: the sum of the scores of each layer's weights.
        gone: the layers that go, where they are known already; None to take those with the lowest sums.

    Raises:
        GapruneError: it cannot be cut so; the same line as the cut itself gives.
    """
    refuse_settings(settings, statistics)
    spec = settings.structure
    units = outline.units[spec.structure]
    if units.refusal is not None:
        raise GapruneError(*units.refusal)
    refuse_unanalysed(settings, units.names, statistics)
    after = units_after(units, spec, settings.mask.sparsity)
    if after in units.refused:
        raise GapruneError(*units.refused[after])
    if spec.structure is not Structure.LAYERS:
        share = (units.before - after) / units.before
        fraction = [share if matrix.name in units.names else 0.0 for matrix in statistics.matrices]
        return Foreseen(outline, units, after, (), np.array(fraction))
    if gone is None or len(gone) != units.before - after:
        lowest = sorted(range(units.fixed, units.before), key=lambda layer: (layer_scores.get(layer, 0.0), -layer))
        gone = lowest[: units.before - after]
    return Foreseen(outline, units, after, tuple(sorted(gone)), _fraction_of(gone, statistics.matrices))


def _fraction_of(gone: Collection[int], matrices: Sequence[MatrixInfo]) -> np.ndarray:
    return np.array([1.0 if matrix.layer in gone else 0.0 for matrix in matrices])


def preview_cut(
    live: LiveScope,
    statistics: Statistics,
    outline: Outline,
    settings: Settings,
    exact: Mapping[str, float] | None = None,
) -> tuple[Preview, Foreseen]:
    """The preview of a cut: what the sketch says of the scores, and what will be left.

    Args:
        settings: with a structure.
        exact: the share of each matrix that goes, by name, where the exact cut is known.

    Raises:
        GapruneError: as `foresee`, or as `LiveScope.preview`.
    """
    single = settings.with_(
        mask=MaskSpec(sparsity=settings.mask.sparsity), structure=StructureSpec(), refit=RefitSpec()
    )
    preview = live.preview(single)
    sums: dict[int, float] = {}
    for matrix, mean in zip(live.matrices, preview.score_mean.tolist(), strict=True):
        sums[matrix.layer] = sums.get(matrix.layer, 0.0) + mean * matrix.size
    gone = None
    if exact is not None:
        gone = {matrix.layer for matrix in live.matrices if exact[matrix.name] == 1.0}
    found = foresee(outline, settings, statistics, sums, gone)
    preview = replace(
        preview,
        settings=settings,
        pruned_fraction=found.fraction,
        thresholds=np.full(len(live.matrices), nan),
        overlap_with_magnitude=nan,
        starved=(),
        sentence=sentence(found, settings, known=exact is not None),
    )
    return preview, found


def sentence(found: Foreseen, settings: Settings, *, known: bool) -> str:
    """What goes and by what it is chosen, in plain words.

    Args:
        known: whether the cut itself was made already.
    """
    spec, going = settings.structure, found.before - found.after
    where = "of the model" if spec.structure is Structure.LAYERS else "of every layer"
    if not going:
        return f"Nothing is cut at these settings: all {found.before:,} {found.noun} {where} stay."
    share = 1 - found.parameters / found.outline.parameters
    by = (
        "Those go whose taking out changes the loss least, over calibration samples."
        if spec.evidence.value == "samples"
        else f"Those go whose weights have the lowest sums of {criterion(settings.score.criterion).label}."
    )
    which = ""
    if found.gone:
        listed = ", ".join(map(str, found.gone))
        which = f" ({'layer' if len(found.gone) == 1 else 'layers'} {listed}{'' if known else ' by the preview'})"
    went = _GOES[spec.structure]
    return (
        f"{going:,} of {found.before:,} {found.noun} {where} are cut out{which}, {went}: {100 * share:.1f} % of all "
        f"parameters are gone for good, and the model is smaller and faster. {by}"
    )


_GOES = {
    Structure.NEURONS: "rows of up and gate with their biases and columns of down",
    Structure.HEADS: "keys and values with all query heads that read them and their columns of the output",
    Structure.LAYERS: "attention, MLP and norms together",
}
