"""Figures of experiments: sweeps, studies, benchmarks, retraining."""
