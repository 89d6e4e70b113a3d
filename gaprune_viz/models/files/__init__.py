"""What lies in a model's folder: which kind of model it is, how its files are read, converted and merged."""
