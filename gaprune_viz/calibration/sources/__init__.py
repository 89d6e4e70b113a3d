"""Statistics of each source of a run that has several on a side, and the mixtures of them that the sides are."""
