"""Texts in: triplets from files, folders, the Hub, the starter collection and ontologies; sampling of them."""
