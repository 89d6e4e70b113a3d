"""Where cells are measured: in this process, in some beside it, or by a cluster that people already run."""
