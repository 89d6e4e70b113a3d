"""A run on disk: made, described, opened, listed."""
