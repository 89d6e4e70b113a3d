"""Figures of searching: rankings, measures, queries, the embedding space."""
