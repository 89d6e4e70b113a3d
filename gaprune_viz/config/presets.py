"""Named settings, for the page and for `--preset`."""

from __future__ import annotations

from gaprune_viz.config import Alignment, MaskSpec, ScoreSpec, Settings, Spec
from gaprune_viz.errors import GapruneError


class Preset(Spec):
    """A named point in the space of settings."""

    name: str
    label: str
    sentence: str
    settings: Settings


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="paper",
            label="Paper, 50 %",
            sentence="GAPrune as published: DAI with sign alignment, α 0.2, β 1, γ 0.5, one global threshold.",
            settings=Settings(),
        ),
        Preset(
            name="paper-30",
            label="Paper, 30 %",
            sentence="The paper's gentler setting: the same criterion at 30 % sparsity.",
            settings=Settings(mask=MaskSpec(sparsity=0.3)),
        ),
        Preset(
            name="balanced",
            label="Balanced",
            sentence="DAI with its two terms made equally large, so that the domain signal really counts.",
            settings=Settings(
                score=ScoreSpec(
                    alignment=Alignment.CORRELATION,
                    alpha=0.2,
                    beta=0.3,
                    gamma=1.0,
                    fisher_scale="auto",
                    fisher_power=0.5,
                )
            ),
        ),
        Preset(
            name="robust",
            label="Robust",
            sentence="Both sides' Fisher information added, each over its mean, beside √|θ|; neurons without "
            "input go whole. Chosen by its worst source.",
            settings=Settings(
                score=ScoreSpec(
                    criterion="joint",
                    fisher_scale="auto",
                    fisher_power=0.5,
                    gamma=1.0,
                ),
                mask=MaskSpec(whole_neurons=True),
            ),
        ),
        Preset(
            name="magnitude",
            label="Magnitude",
            sentence="The oldest baseline: the smallest weights go, whatever the data say.",
            settings=Settings(score=ScoreSpec(criterion="magnitude")),
        ),
        Preset(
            name="obd",
            label="Optimal Brain Damage",
            sentence="Fisher times θ² on domain and general data together: the classic second-order estimate of harm.",
            settings=Settings(score=ScoreSpec(criterion="obd_joint")),
        ),
        Preset(
            name="nm-2-4",
            label="2:4 pattern",
            sentence="Two of every four consecutive inputs are kept: the pattern that some GPUs can run faster.",
            settings=Settings(mask=MaskSpec(pattern="2:4")),
        ),
    )
}


def preset(name: str) -> Preset:
    """A preset by name.

    Raises:
        GapruneError: listing the names that exist.
    """
    if name not in PRESETS:
        raise GapruneError(f"There is no preset {name!r}.", f"Presets are: {', '.join(PRESETS)}.")
    return PRESETS[name]
