"""What pruning did: rankings, their metrics, how sure they are, and the shape of the embedding space."""
