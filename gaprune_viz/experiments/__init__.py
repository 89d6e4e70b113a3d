"""Many settings: sweeps, studies, searches, and retraining measured on the way."""
