"""Calling: who an actor is to its tools, whichever harness runs its session."""

from pathlib import Path

from msgspec.structs import replace

from leadhand import reach
from leadhand.domain import events as e
from leadhand.domain.ids import ActorId, CallId, status_name
from leadhand.domain.state import Actor, Run
from leadhand.harness import Means
from leadhand.processes import clean_environment
from leadhand.tool import Caller
from leadhand.workspace import root_of

INTERRUPTED = (
    "interrupted, outcome unknown: the process that ran this call died, or you were paused. Check "
    "before you repeat it."
)


def live(run: Run, actor: ActorId, stint: int) -> Actor | None:
    """An actor, while its session is to go on in this stint."""
    one = run.actors.get(actor)
    if one is None or one.ending is not None or one.halting or one.stint != stint:
        return None
    return one if one.duty.claimed_at is None else None


def caller_of(means: Means, spawned: e.ActorSpawned) -> Caller:
    """The actor as who calls; each call adds its id, and what may be read by then."""
    run, settings, actor = means.owner.run, spawned.settings, spawned.actor
    source = Path(settings.directory or ".").resolve()
    root = root_of(actor, settings.directory, run.workspaces.get(actor), means.worktrees)
    status = run.house.status_dir if spawned.role == "worker" else ""
    added = (*(settings.add_dirs or ()), *([status] if status else []))
    return Caller(
        actor_id=actor,
        role=spawned.role,
        call_id=CallId(""),
        root=root,
        roots=(root, *(Path(each).resolve() for each in added)),
        readable=() if root == source else (source,),
        env=clean_environment(means.environment, settings.env or {}),
        blobs=means.blobs,
        allow_hosts=settings.allow_hosts or (),
        processes=means.processes,
        writes=spawned.contract.writes,
        status_file=Path(status) / status_name(actor) if status else None,
    )


def calling(means: Means, caller: Caller, call: CallId) -> Caller:
    """The actor as who makes one tool call."""
    run, folders = means.owner.run, (means.transcripts, means.worktrees)
    readable = (*caller.readable, *reach.readable(run, caller.actor_id, *folders))
    plan = reach.bound(run, caller.actor_id, means.worktrees)
    return replace(caller, call_id=call, readable=readable, plan=plan)
