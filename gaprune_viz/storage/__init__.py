"""Bytes on disk, and nothing of their meaning: the workspace, whole files, arrays, checksums."""
