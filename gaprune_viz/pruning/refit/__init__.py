"""The weights that a mask keeps, fitted anew in closed form: no training, no gradient."""
