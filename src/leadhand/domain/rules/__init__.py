"""Rules: one feature, one file: its decisions, its evolve, its due."""
