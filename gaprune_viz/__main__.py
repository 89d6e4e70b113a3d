"""`python -m gaprune_viz`: the command line."""

from __future__ import annotations

from gaprune_viz.cli import main

if __name__ == "__main__":
    main()
