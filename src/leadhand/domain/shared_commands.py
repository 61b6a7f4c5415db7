"""Shared commands: what may be asked of the shared store and of leases.

A part of `commands`, by which they are known.
"""

from msgspec import Struct

from leadhand.domain.ids import ActorId, CallId

# --- kv


class PutEntry(Struct, frozen=True, tag=True):
    """Write an entry of the actor's layer. value: its JSON; or blob: where that is kept, and its
    size in bytes. expected_version: only over this one; 0 where there must be none."""

    actor: ActorId
    call: CallId
    path: str
    value: str = ""
    blob: str = ""
    size: int = 0
    expected_version: int | None = None


class AwaitEntry(Struct, frozen=True, tag=True):
    """Wait until an entry has at least this version, for at most timeout_secs."""

    actor: ActorId
    call: CallId
    path: str
    min_version: int = 1
    timeout_secs: int | None = None


# --- lease


class AcquireLease(Struct, frozen=True, tag=True):
    """Hold a name alone, for ttl_secs. run_wide: among all actors of the run instead of the
    actor's layer. wait_secs: how long to wait for it at most; 0 does not wait."""

    actor: ActorId
    call: CallId
    name: str
    ttl_secs: int
    wait_secs: int = 0
    run_wide: bool = False


class LeaveLease(Struct, frozen=True, tag=True):
    """Wait no longer for the lease that this call asked for."""

    actor: ActorId
    call: CallId


class ReleaseLease(Struct, frozen=True, tag=True):
    """Let go of a lease."""

    actor: ActorId
    call: CallId
    name: str
    run_wide: bool = False


class GrantLease(Struct, frozen=True, tag=True):
    """Give a vacant lease to the first who waits for it. lease: its key."""

    lease: str


class ExpireLease(Struct, frozen=True, tag=True):
    """A lease's time is up. lease: its key."""

    lease: str
