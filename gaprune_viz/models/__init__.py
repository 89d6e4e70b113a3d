"""From a name to an embedding model: where it lies, how it is loaded and encodes, which of its weights count."""
