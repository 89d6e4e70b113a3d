"""Versions of what the numbers depend on."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from gaprune_viz import __version__

VERSIONED = ("torch", "transformers", "sentence-transformers", "numpy", "scikit-learn")


def versions() -> dict[str, str]:
    """By package; what is not installed is left out."""
    found = {"gaprune-viz": __version__}
    for name in VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
