"""Clock: the two hands of now, as they reach a decision."""

from msgspec import Struct


class Now(Struct, frozen=True):
    """An instant. wall_ms: UTC, milliseconds since 1970. run_ms: advances only while an owner
    holds the run, and never goes back; limits, waits and timeouts count it."""

    wall_ms: int
    run_ms: int


class At(Struct, frozen=True):
    """Where and when an event stands in its log."""

    seq: int
    now: Now
