"""Retrieval collections as they are published: corpus, queries and judgements, in a folder or an archive."""
