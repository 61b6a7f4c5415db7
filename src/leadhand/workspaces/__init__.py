"""Workspaces: the implementations of `workspace.py`, blind to each other."""
