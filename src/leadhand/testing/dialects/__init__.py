"""Dialects: what a model server hears and says, one file for each provider's words."""
