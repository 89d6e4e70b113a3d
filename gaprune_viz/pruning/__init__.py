"""What is done to a model: masks put on, what stays refitted, neurons taken out, retraining, a folder to hand over."""
