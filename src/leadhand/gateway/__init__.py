"""Gateway: the road of every model call: admit, send, meter, settle, record."""
