"""Imported first: threads as the page and the command line have them, before anything loads a library that computes."""

from gaprune_viz.jobs.threads import settle

settle()
