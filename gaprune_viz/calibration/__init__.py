"""One pass over the texts of a domain: Fisher information, mean gradients and activations of every weight."""
