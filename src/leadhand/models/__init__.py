"""Models: the implementations of `model.py`, blind to each other."""
