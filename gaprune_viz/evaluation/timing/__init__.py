"""How long models take on this machine: short and long texts, one at a time and many."""
