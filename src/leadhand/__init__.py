"""Leadhand: runs crews of AI agents within house rules that hold whatever a model wants."""

__version__ = "0.1.0"
