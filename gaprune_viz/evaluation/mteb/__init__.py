"""mteb with a live model: an encoder for it, tasks from disk and from the Hub, what they will cost, what came out."""
