"""Files of triplets as rows: one module a format, and one list of them."""
