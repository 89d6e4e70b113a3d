"""Several sources of one side: how they are named, what they may not share, and as one set."""
