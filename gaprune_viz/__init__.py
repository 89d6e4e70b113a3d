"""gaprune_viz: an interactive laboratory for gradient-alignment pruning of text-embedding models.

The names below are the public face of the package and stay where they are; modules inside may move. Each is loaded when
it is first asked for: importing this package loads neither torch nor gradio.
"""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"

_HOMES = {
    "CalibrationSpec": "config",
    "MaskSpec": "config",
    "ModelSpec": "config",
    "RunSpec": "config",
    "ScoreSpec": "config",
    "Settings": "config",
    "preset": "config.presets",
    "GapruneError": "errors",
    "analyze": "analysis.making",
    "drain": "calibration.progress",
    "open_analysis": "analysis.opening",
    "diagnose": "analysis.exact_scores",
    "prune": "pruning.export",
    "load_pair": "evaluation.comparison",
    "compare_models": "evaluation.comparison",
    "load_task": "evaluation.task_sources",
    "Criterion": "criteria.criterion",
    "ResolvedScore": "criteria.criterion",
    "WeightStatistics": "criteria.criterion",
    "register": "criteria.registry",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
