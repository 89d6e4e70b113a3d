"""The tuning bar: one control for each setting."""
