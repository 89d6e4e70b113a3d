"""Quality against time and size: smaller models, and what people would use instead."""
