"""The transfer map: calibrated on one source, measured on every one; what the match of the two is worth."""
