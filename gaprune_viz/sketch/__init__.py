"""A sample of the weights that answers a slider's move, whatever the model's size."""
