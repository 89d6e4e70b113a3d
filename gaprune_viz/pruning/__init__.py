"""What is done to a model: masks put on, neurons taken out, retraining, a folder to hand over."""
