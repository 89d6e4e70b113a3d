"""Criteria over several sources of data: what all of them agree on, and what each of them needs."""
