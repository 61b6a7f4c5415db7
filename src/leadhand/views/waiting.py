"""Waiting: what a live actor waits for, since when, and what happens next."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from leadhand.domain import events as e
from leadhand.domain.clock import At, Now
from leadhand.domain.contract import CHECKS_SECS
from leadhand.domain.ids import ActorId
from leadhand.domain.layers import lease_name
from leadhand.domain.manifest import OUTSIDE
from leadhand.domain.money import show
from leadhand.domain.rules.approval import open_questions
from leadhand.domain.rules.pace import PARKED
from leadhand.domain.state import Actor, Approval, Call, Run, Wait
from leadhand.views.words import (
    counted,
    doing,
    line,
    listed,
    model_name,
    names,
    order,
    span,
    state_of,
)


class Scene(Struct, frozen=True):
    """What an explanation needs beside the state. held: who owns the run now, if anybody. resume:
    the command that continues it. happened: its TELLING events, in order."""

    now: Now
    held: str
    resume: str
    happened: Sequence[tuple[At, e.Event]] = ()


class Standing(Struct, frozen=True):
    """What an actor waits for. since, until: run_ms, where there is such an instant."""

    target: str
    next: str
    since: int | None = None
    until: int | None = None


def waits_for(run: Run, one: Actor, scene: Scene) -> Standing:
    """What a live actor waits for, and what then happens; the narrowest reason first."""
    if one.ending is not None:
        return ending(one, scene)
    if one.paused is not None:
        return paused(one, scene)
    if one.halting:
        return Standing("its session to stop", "it goes on with its new prompt")
    if one.role == "tasks":
        return tasks(run)
    if one.duty.claimed_at is not None:
        after, began = "it settles as they find, verified or refuted", one.duty.claimed_at
        return Standing("the checks of its work", after, began, began + CHECKS_SECS * 1000)
    if one.deferral is not None:
        return deferral(run, one)
    if one.call is not None:
        return call(one, one.call, scene)
    if asked := next(open_questions(one), None):
        return question(asked)
    return tools(run, one, scene) if one.tools else beginning(run, one, scene)


def call(one: Actor, asked: Call, scene: Scene) -> Standing:
    """Of an actor whose call is in flight, or waits for its provider."""
    if scene.now.run_ms < asked.held_until:
        after = "the call leaves, or waits on where others go first"
        return Standing(asked.held, after, asked.since, asked.held_until)
    after = "it settles" if asked.final else "its answer is recorded, and its tools run"
    return Standing(f"{model_name(one.model)} to answer", after, asked.since, end_of(one))


def beginning(run: Run, one: Actor, scene: Scene) -> Standing:
    """Of an actor whose session, or its next turn, is about to begin."""
    if scene.now.run_ms < one.retry_at:
        what = f"its session, which crashed {counted(one.crashes, 'time')}, to be started again"
        since = since_last(one, e.SessionCrashed, scene)
        return Standing(what, "it goes on from what is durable", since, one.retry_at)
    if one.held:
        after = "its session begins; if that cannot be in time, it fails"
        return Standing(one.held, after, one.held_since, one.held_until)
    workspace = run.workspaces.get(one.id)
    if workspace is not None and workspace.state in ("wanted", "chosen"):
        return Standing("its worktree to be made", "its session begins", one.spawned_at)
    if one.model == OUTSIDE:
        what = "the MCP client that leads the run to call a tool, or finish"
        return Standing(what, "the call runs; a client that stays away ends the run", None)
    which = "first" if one.started_at is None else "next"
    since = one.spawned_at if one.started_at is None else None
    return Standing(f"its {which} call to be admitted", "the call leaves", since)


def question(asked: Approval) -> Standing:
    """Of an actor that waits for the operator's answer."""
    target = f"the operator to answer {asked.id}: {line(asked.summary, 160)}"
    then = "approved" if asked.fallback == "auto_approve" else "rejected"
    after = f"without an answer it is {then} by its fallback"
    return Standing(target, after, asked.since, asked.until)


def end_of(one: Actor) -> int | None:
    """When an actor's time is up at the latest."""
    ends = [each for each in (one.stop_at, one.deadline) if each is not None]
    return min(ends, default=None)


def since_last(one: Actor, kind: type[e.Event], scene: Scene) -> int | None:
    """When an actor's last event of a kind happened (run_ms)."""
    found = [at for at, each in scene.happened if isinstance(each, kind) and each.actor == one.id]
    return found[-1].now.run_ms if found else None


def ending(one: Actor, scene: Scene) -> Standing:
    """Of an actor that is being ended."""
    assert one.ending is not None
    why = f"{line(one.ending.reason)}, by {one.ending.by}"
    target = f"{names(one.live_children)} to settle" if one.live_children else "its session to stop"
    since = since_last(one, e.ActorEnding, scene)
    return Standing(target, f"it settles as {one.ending.status} ({why})", since)


def paused(one: Actor, scene: Scene) -> Standing:
    """Of an actor that takes no step."""
    assert one.paused is not None
    why = f" ({line(one.paused.reason)})" if one.paused.reason else ""
    how = "froze" if one.paused.mode == "freeze" else "paused"
    target = f"someone to continue it: {one.paused.by} {how} it{why}"
    after = f"it goes on after `{continue_command(scene.resume, one.id)}`, or when its lead says so"
    return Standing(target, after, one.paused.since)


def continue_command(resume: str, actor: ActorId) -> str:
    """The command that lets a paused actor go on, made of the one that resumes its run."""
    verb, _, options = resume.replace(" resume ", " continue ", 1).partition(" --")
    return f"{verb} {actor}" + (f" --{options}" if options else "")


def deferral(run: Run, one: Actor) -> Standing:
    """Of an actor whose next call is not admitted yet."""
    held_back, envelope = one.deferral, run.envelopes[one.pool]
    assert held_back is not None
    if held_back.why == PARKED:
        return Standing(PARKED, "its call is admitted when the run goes on", held_back.since)
    if held_back.needed:
        target = (
            f"money: its next call needs {show(held_back.needed)}, and of {show(envelope.limit)} "
            f"{show(envelope.spent)} is spent and {show(envelope.reserved)} is reserved by calls "
            "in flight"
        )
        after = "it is asked for again as calls settle, then made smaller, then refused"
    else:
        target = f"{names(one.live_children) or 'its workers'} to settle before its last call"
        after = "the last call leaves, without those who have not settled"
    return Standing(target, after, held_back.since, held_back.until)


def tasks(run: Run) -> Standing:
    """Of the tasks of a run without a lead."""
    found = run.tasks
    under_way = names(list(found.running)) or "none"
    waiting = f"{len(found.ready)} ready and {len(found.unmet)} waiting for others"
    target = f"tasks: {under_way} under way, {waiting}, {len(found.ended)} ended"
    if found.held:
        return Standing(f"{target}; {line(found.held)}", "one starts when another has settled")
    return Standing(target, "the next ready one starts when there is a place")


def tools(run: Run, one: Actor, scene: Scene) -> Standing:
    """Of an actor whose tool calls are open: it waits for others, or for its own work."""
    since = min(tool.since for tool in one.tools.values())
    if not one.waits or len(one.waits) < len(one.tools):
        steps = [line(tool.step or tool.tool, 100) for tool in one.tools.values()]
        after = "its model reads the results"
        return Standing(f"{listed(steps, 3)} to return", after, since, end_of(one))
    waits = list(one.waits.values())
    targets = sorted({target for wait in waits for target in wait.targets}, key=order)
    alive = [run.actors[target] for target in targets if target in run.actors]
    each = [f"{worker.id} ({doing(worker, scene.now) or state_of(worker)})" for worker in alive]
    if things := [what for wait in waits for what in shared(run, one, wait, scene.now)]:
        target = listed([*things, *(f"{worker} to settle" for worker in each)])
        after = "it gets what has come; without that, it is told so and goes on"
        return Standing(target, after, since, min(wait.until for wait in waits))
    first = "the first of " if len(alive) > 1 and all(wait.any for wait in waits) else ""
    target = f"{first}{listed(each)} to settle" if each else "the result of a settled worker"
    after = "it gets the results; without them, it is told so and goes on"
    return Standing(target, after, since, min(wait.until for wait in waits))


def shared(run: Run, one: Actor, wait: Wait, now: Now) -> Iterator[str]:
    """Of a wait for an entry or a lease: what has to happen, and who stands before it."""
    if wait.path:
        yield f"{wait.path} to be written (version {wait.min_version})"
    if wait.lease:
        lease = run.leases[wait.lease]
        before = [*lease.queue].index(one.id) if one.id in lease.queue else 0
        held = f"held by {lease.holder} for {span(lease.until - now.run_ms)} at most"
        ahead = f", {counted(before, 'other')} before it" if before else ""
        is_held = held if lease.holder else "free, and about to be granted"
        yield f"the lease {lease_name(wait.lease)} ({is_held}{ahead})"
