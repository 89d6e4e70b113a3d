"""Figures of weights: one matrix, all matrices, the terms of their scores."""
