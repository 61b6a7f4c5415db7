"""Shared events: what happens in the shared store and to leases.

A part of `events`, by which they are known; the same holds for them.
"""

from leadhand.domain.event import Event
from leadhand.domain.ids import ActorId, CallId

# --- kv


class EntryPut(Event, frozen=True):
    """An entry was written. value: its JSON, or blob: where that is kept. size: its UTF-8 bytes.
    layer: the lead whose it is. The path is the one that all who may read it find it by."""

    call: CallId = CallId("")
    layer: ActorId = ActorId("")
    path: str = ""
    version: int = 1
    size: int = 0
    value: str = ""
    blob: str = ""


# --- lease


class LeaseGranted(Event, frozen=True):
    """The actor holds the lease until (run_ms) at most. lease: its key, see `layers.lease_key`.
    fence: rises with each grant of the name. call: which asked for it."""

    call: CallId = CallId("")
    lease: str = ""
    fence: int = 0
    until: int = 0


class LeaseRenewed(Event, frozen=True):
    """The holder asked again: it keeps the lease, with the same fence, until (run_ms)."""

    call: CallId = CallId("")
    lease: str = ""
    fence: int = 0
    until: int = 0


class LeaseReleased(Event, frozen=True):
    """The holder let go of the lease."""

    call: CallId = CallId("")
    lease: str = ""
    fence: int = 0


class LeaseExpired(Event, frozen=True):
    """The actor's lease ran out."""

    lease: str = ""
    fence: int = 0


class LeaseLeft(Event, frozen=True):
    """The actor waits for the lease no longer."""

    call: CallId = CallId("")
    lease: str = ""
