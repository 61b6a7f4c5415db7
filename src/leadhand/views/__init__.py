"""Views: pure folds of events and state, for people and for models."""
