"""Contracts: what finds out whether what a worker claims holds."""
