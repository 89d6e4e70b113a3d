"""How published sets lay their texts out, and how each layout becomes triplets."""
