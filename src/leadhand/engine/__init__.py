"""Engine: the one loop in which commands become durable events and effects."""
