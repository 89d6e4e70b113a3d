"""Exact masks from scores, and plain sentences about them."""
