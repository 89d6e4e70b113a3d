# What `__init__.py` loads when it is asked for, for type checkers; a test holds the two together.
from typing import Final

from gaprune_viz.analysis.exact_scores import diagnose as diagnose
from gaprune_viz.analysis.making import analyze as analyze
from gaprune_viz.analysis.opening import open_analysis as open_analysis
from gaprune_viz.calibration.progress import drain as drain
from gaprune_viz.config import CalibrationSpec as CalibrationSpec
from gaprune_viz.config import MaskSpec as MaskSpec
from gaprune_viz.config import ModelSpec as ModelSpec
from gaprune_viz.config import RunSpec as RunSpec
from gaprune_viz.config import ScoreSpec as ScoreSpec
from gaprune_viz.config import Settings as Settings
from gaprune_viz.config.presets import preset as preset
from gaprune_viz.criteria.criterion import Criterion as Criterion
from gaprune_viz.criteria.criterion import ResolvedScore as ResolvedScore
from gaprune_viz.criteria.criterion import WeightStatistics as WeightStatistics
from gaprune_viz.criteria.registry import register as register
from gaprune_viz.errors import GapruneError as GapruneError
from gaprune_viz.evaluation.comparison import compare_models as compare_models
from gaprune_viz.evaluation.comparison import load_pair as load_pair
from gaprune_viz.evaluation.task_sources import load_task as load_task
from gaprune_viz.pruning.export import prune as prune

__version__: Final[str]
