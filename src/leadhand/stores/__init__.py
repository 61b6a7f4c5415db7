"""Stores: the places where runs are kept; each keeps every promise of the port."""
