"""The sources of an analysis: how a run goes through several, how they agree, and how to weigh them."""
