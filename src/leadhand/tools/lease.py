"""Lease: the tools by which actors hold a name alone, among their team or in the whole run."""

from typing import Annotated

from msgspec import Meta, Struct

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.layers import lease_key
from leadhand.domain.rules.lease import holder
from leadhand.harness import Owner
from leadhand.refusals import InvalidArguments, LeaseHeld
from leadhand.tool import EVERYONE, Caller, Handler, Tool
from leadhand.tools.wait import hold

Name = Annotated[str, Meta(description="What you want to be alone with, as src/main.py.")]


class Acquire(Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of lease_acquire and run_lease_acquire."""

    name: Name
    ttl_secs: Annotated[
        int, Meta(ge=1, le=86_400, description="How long you hold it, unless you ask again.")
    ]
    wait_secs: Annotated[
        int, Meta(ge=0, le=86_400, description="How long to wait for it; default: not at all.")
    ] = 0


class Release(Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of lease_release and run_lease_release: the name, under either word."""

    name: Name = ""
    lease_id: str = ""


class Acquired(Struct, frozen=True, omit_defaults=True):
    """Whether the caller holds the lease: with its fence; or who does, and how to go on."""

    name: str
    acquired: bool
    expires_in_secs: int
    fence: int = 0
    holder: str = ""
    why: str = ""
    next: str = ""


class Released(Struct, frozen=True):
    """A lease that is free."""

    name: str
    released: bool
    fence: int


def lease_tools(owner: Owner) -> list[Tool]:
    """The tools, for one run."""

    async def lease_acquire(caller: Caller, args: Acquire) -> Acquired:
        return await acquired(owner, caller, args, run_wide=False)

    async def run_lease_acquire(caller: Caller, args: Acquire) -> Acquired:
        return await acquired(owner, caller, args, run_wide=True)

    async def lease_release(caller: Caller, args: Release) -> Released:
        return await released(owner, caller, args, run_wide=False)

    async def run_lease_release(caller: Caller, args: Release) -> Released:
        return await released(owner, caller, args, run_wide=True)

    return [
        _tool(
            lease_acquire,
            Acquire,
            "Hold a name alone among your team, before you touch what others may touch too. Where "
            "another holds it, acquired is false and the answer names the holder. Whoever asks "
            "first gets it first; each grant has a higher fence. Ask again to hold it longer.",
        ),
        _tool(lease_release, Release, "Let go of a lease as soon as you no longer need it."),
        _tool(run_lease_acquire, Acquire, "As lease_acquire, but among all actors of the run."),
        _tool(run_lease_release, Release, "Let go of a lease of run_lease_acquire."),
    ]


def _tool(handler: Handler, args: type[Struct], description: str) -> Tool:
    """A tool with the name of its handler."""
    name = handler.__name__
    return Tool(name, description, args, EVERYONE, "keyed", "orchestration", handler)


async def acquired(owner: Owner, caller: Caller, args: Acquire, *, run_wide: bool) -> Acquired:
    """Ask for a lease, and wait for it where that is wanted."""
    me, call, why = caller.actor_id, caller.call_id, ""
    key = lease_key(owner.run, me, args.name, run_wide)
    try:
        await owner.submit(
            c.AcquireLease(me, call, args.name, args.ttl_secs, args.wait_secs, run_wide)
        )
    except LeaseHeld:
        pass
    else:
        if call in owner.run.live(me).waits:
            why = await hold(owner, caller)
            # From here on it cannot be granted any more: what is told stays true.
            await owner.submit(c.LeaveLease(me, call))
    lease = owner.run.leases[key]
    left = -(-max(0, lease.until - owner.now().run_ms) // 1000)
    if lease.holder == me:
        return Acquired(args.name, acquired=True, expires_in_secs=left, fence=lease.fence)
    return Acquired(
        args.name,
        acquired=False,
        expires_in_secs=left,
        holder=holder(lease),
        why=why,
        next="Ask again, with wait_secs to wait for your turn; it is free when its holder releases "
        "it, settles, or lets it expire.",
    )


async def released(owner: Owner, caller: Caller, args: Release, *, run_wide: bool) -> Released:
    """Let go of a lease."""
    me, name = caller.actor_id, args.name or args.lease_id
    if not name:
        raise InvalidArguments("name is missing", "Name the lease to release.")
    events = await owner.submit(c.ReleaseLease(me, caller.call_id, name, run_wide))
    fences = [event.fence for event in events if isinstance(event, e.LeaseReleased)]
    # Without the event, this call has released it before its answer was lost.
    fence = fences[0] if fences else owner.run.has_done(me, caller.call_id)
    return Released(name, released=True, fence=fence)
