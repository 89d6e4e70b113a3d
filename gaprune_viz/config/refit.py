"""How the weights that a mask keeps are fitted anew."""

from __future__ import annotations

from pydantic import Field

from gaprune_viz.config.base import Spec


class RefitSpec(Spec):
    """A closed-form refit of the kept weights, layer by layer, without training."""

    refit: bool = Field(
        default=False,
        description="Fit the kept weights anew, so that every layer gives what it gave before pruning as nearly as it "
        "can: no training, seconds to minutes.",
        json_schema_extra={"label": "Refit"},
    )
    domain_share: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="Share of the domain's texts in what is fitted; the general texts have the rest. At 0 or 1 the "
        "other side's texts are not read.",
        json_schema_extra={"label": "Refit, domain share", "step": 0.05},
    )
    ridge: float = Field(
        default=0.1,
        ge=0,
        le=100,
        description="Pull towards the weights as they were, in units of the mean power of a layer's inputs. Less fits "
        "the texts more closely, more keeps to what the model knew.",
        json_schema_extra={"label": "Refit, ridge", "step": 0.01, "ui_maximum": 2},
    )
    samples: int = Field(
        default=128,
        ge=2,
        le=100_000,
        description="Triplets of each side whose texts are read; at most those of the analysis.",
        json_schema_extra={"label": "Refit, samples", "unit": "triplets", "ui_maximum": 512},
    )
    tolerance: float = Field(
        default=1e-5,
        ge=1e-6,
        le=0.1,
        description="Relative residual at which the iteration stops. At 0.001 the objective is within one in ten "
        "thousand of the exact solution's already; the default also makes the weights the same, to five digits, for "
        "any number of threads.",
        json_schema_extra={"label": "Refit, tolerance", "ui_maximum": 0.01},
    )
