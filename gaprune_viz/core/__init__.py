"""The method: pure functions on tensors and small objects around models. torch only."""
