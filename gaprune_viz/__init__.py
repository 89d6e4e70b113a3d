"""gaprune_viz: an interactive laboratory for gradient-alignment pruning of text-embedding models.

Importing this package loads neither torch nor gradio; the parts do, where they are first used.
"""

from __future__ import annotations

__version__ = "0.1.0"

__all__ = ["__version__"]
