"""Frozen specs: the only home of defaults, bounds, units and help texts.

They drive the command line's flags, the page's controls, URL parameters, storage keys and the exported JSON.
"""

from gaprune_viz.config.analysis import (
    BETWEEN_SOURCES,
    DEFAULT_MODEL,
    LEAST_OF_SOURCE,
    LEFT_OUT,
    MOST_SOURCES,
    SIDES,
    SKETCH_CAP,
    SKETCH_PER_MATRIX,
    SOURCE_SHARPNESS,
    STARTER_DOMAINS,
    STARTER_LABELS,
    CalibrationSpec,
    Dtype,
    Fisher,
    ModelSpec,
    Pooling,
    RunSpec,
    Sampling,
    Scope,
    column_mapping,
)
from gaprune_viz.config.base import Spec, digits, help_text
from gaprune_viz.config.evaluation import IDENTICAL_IDS_HELP, IDENTICAL_IDS_MARK, IdenticalIds, task_source
from gaprune_viz.config.experiments import STUDY_ROWS, Objective, RecommendSpec, RetrainSpec, StudySpec
from gaprune_viz.config.frontier import FrontierSpec
from gaprune_viz.config.pruning import (
    FISHER_POWERS,
    Alignment,
    Allocation,
    FisherEstimate,
    MaskSpec,
    ScoreSpec,
    Settings,
)
from gaprune_viz.config.refit import RefitSpec
from gaprune_viz.config.serving import ExecutorSpec, ServeSpec
from gaprune_viz.config.structure import Evidence, Structure, StructureSpec
from gaprune_viz.config.sweeps import ENOUGH, SWEEP_KINDS, SweepKind
from gaprune_viz.config.transfer import TransferSpec

__all__ = [
    "BETWEEN_SOURCES",
    "DEFAULT_MODEL",
    "ENOUGH",
    "FISHER_POWERS",
    "IDENTICAL_IDS_HELP",
    "IDENTICAL_IDS_MARK",
    "LEAST_OF_SOURCE",
    "LEFT_OUT",
    "MOST_SOURCES",
    "SIDES",
    "SKETCH_CAP",
    "SKETCH_PER_MATRIX",
    "SOURCE_SHARPNESS",
    "STARTER_DOMAINS",
    "STARTER_LABELS",
    "STUDY_ROWS",
    "SWEEP_KINDS",
    "Alignment",
    "Allocation",
    "CalibrationSpec",
    "Dtype",
    "Evidence",
    "ExecutorSpec",
    "Fisher",
    "FisherEstimate",
    "FrontierSpec",
    "IdenticalIds",
    "MaskSpec",
    "ModelSpec",
    "Objective",
    "Pooling",
    "RecommendSpec",
    "RefitSpec",
    "RetrainSpec",
    "RunSpec",
    "Sampling",
    "Scope",
    "ScoreSpec",
    "ServeSpec",
    "Settings",
    "Spec",
    "Structure",
    "StructureSpec",
    "StudySpec",
    "SweepKind",
    "TransferSpec",
    "column_mapping",
    "digits",
    "help_text",
    "task_source",
]
