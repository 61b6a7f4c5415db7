"""Harnesses: the implementations of `harness.py`, blind to each other."""
