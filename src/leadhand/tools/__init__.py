"""Tools: everything an actor can call, and the one road that every call takes."""
