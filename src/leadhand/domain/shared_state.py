"""Shared state: what is true of the shared store and of leases.

A part of `state`, by which it is known; the same holds for it.
"""

from msgspec import Struct, field

from leadhand.domain.ids import ActorId, CallId

# --- kv


class Entry(Struct):
    """An entry of the shared store. version: rises from 1. seq: the event that holds the value;
    size: its UTF-8 bytes. writer: who wrote this version."""

    version: int
    seq: int
    size: int
    writer: ActorId


class Layer(Struct):
    """What a lead and its workers share, by path. size: the sum of the entries' (bytes)."""

    entries: dict[str, Entry] = field(default_factory=dict)
    size: int = 0


# --- lease


class Waiter(Struct):
    """Who waits for a lease, to hold it for ttl_secs; until when, its `Wait` says."""

    call: CallId
    ttl_secs: int


class Lease(Struct):
    """A name that one actor holds at a time. fence: of the last grant; it never falls. holder:
    empty where it is free; until: run_ms; call: which got or renewed it. queue: who waits for it,
    in the order of asking. lost_by: whose time ran out last."""

    fence: int = 0
    holder: ActorId = ActorId("")
    call: CallId = CallId("")
    until: int = 0
    queue: dict[ActorId, Waiter] = field(default_factory=dict)
    lost_by: ActorId = ActorId("")
