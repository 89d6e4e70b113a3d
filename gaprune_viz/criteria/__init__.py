"""Scores: what each saliency criterion makes of the statistics of a weight. Higher means keep."""
