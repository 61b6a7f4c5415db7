"""Notifiers: the implementations of `notifier.py`, blind to each other."""
