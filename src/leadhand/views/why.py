"""Why: what an actor waits for, since when, what happens next, and what it has cost."""

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct

from leadhand.domain import events as e
from leadhand.domain.clock import At, Now
from leadhand.domain.ids import ActorId
from leadhand.domain.layers import lease_name
from leadhand.domain.ledger import free
from leadhand.domain.money import as_usd, show
from leadhand.domain.rules.actor import CRASHES_MAX
from leadhand.domain.rules.pace import PARKED
from leadhand.domain.state import Actor, Record, Run, Wait
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

# The events that an explanation may need beside the state.
TELLING = (
    e.ActorEnding,
    e.CallCut,
    e.ReportChecked,
    e.RunCancelled,
    e.SessionCrashed,
    e.SpawnRefused,
)


class Scene(Struct, frozen=True):
    """What an explanation needs beside the state. held: who owns the run now, if anybody. resume:
    the command that continues it. happened: its TELLING events, in order."""

    now: Now
    held: str
    resume: str
    happened: Sequence[tuple[At, e.Event]] = ()


class Why(Struct, frozen=True, omit_defaults=True):
    """One explanation. about: an actor's id, or empty for the run. waiting_ms: how long it has
    waited; left_ms: how long until `next` happens at the latest; both in run time."""

    about: str
    state: str
    waits_for: str = ""
    waiting_ms: int | None = None
    next: str = ""
    left_ms: int | None = None
    cost_usd: float = 0.0
    sentences: tuple[str, ...] = ()


class Standing(Struct, frozen=True):
    """What an actor waits for. since, until: run_ms, where there is such an instant."""

    target: str
    next: str
    since: int | None = None
    until: int | None = None


def actor(run: Run, actor_id: ActorId, scene: Scene) -> Why:
    """Why an actor stands as it does."""
    record = run.records.get(actor_id)
    if record is not None:
        return of_settled(run, record, scene)
    one = run.actors[actor_id]
    stands = waits_for(run, one, scene)
    now_ms = scene.now.run_ms
    waiting_ms = None if stands.since is None else max(0, now_ms - stands.since)
    already = "" if waiting_ms is None else f", for {span(waiting_ms)} now"
    sentences = [
        f"{called(one)} is {state_of(one)}.",
        f"It waits for {stands.target}{already}.",
        *unowned(run, one, scene),
        f"Next: {stands.next}{within(stands.until, now_ms)}.",
        *its_time(run, one, now_ms),
        *its_envelope(run, one),
        *troubles(one, scene),
        *holds(run, one, now_ms),
        spent(one),
    ]
    return Why(
        about=one.id,
        state=state_of(one) if scene.held else "interrupted",
        waits_for=stands.target,
        waiting_ms=waiting_ms,
        next=stands.next,
        left_ms=None if stands.until is None else max(0, stands.until - now_ms),
        cost_usd=as_usd(one.spent),
        sentences=tuple(sentences),
    )


def called(one: Actor | Record) -> str:
    """An actor with its label."""
    return f"{one.id} ({line(one.label, 80)})" if one.label else one.id


def waits_for(run: Run, one: Actor, scene: Scene) -> Standing:
    """What a live actor waits for, and what then happens; the narrowest reason first."""
    if one.ending is not None:
        return ending(one, scene)
    if one.role == "tasks":
        return tasks(run)
    if one.deferral is not None:
        return deferral(run, one)
    if one.call is not None and scene.now.run_ms < one.call.held_until:
        after = "the call leaves, or waits on where others go first"
        return Standing(one.call.held, after, one.call.since, one.call.held_until)
    if one.call is not None:
        after = "it settles" if one.call.final else "its answer is recorded, and its tools run"
        return Standing(f"{model_name(one.model)} to answer", after, one.call.since, end_of(one))
    if one.tools:
        return tools(run, one, scene)
    if scene.now.run_ms < one.retry_at:
        what = f"its session, which crashed {counted(one.crashes, 'time')}, to be started again"
        since = since_last(one, e.SessionCrashed, scene)
        return Standing(what, "it goes on from what is durable", since, one.retry_at)
    workspace = run.workspaces.get(one.id)
    if workspace is not None and workspace.state in ("wanted", "chosen"):
        return Standing("its worktree to be made", "its session begins", one.spawned_at)
    which = "first" if one.started_at is None else "next"
    since = one.spawned_at if one.started_at is None else None
    return Standing(f"its {which} call to be admitted", "the call leaves", since)


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


def holds(run: Run, one: Actor, now_ms: int) -> Iterator[str]:
    """The leases that others may wait for because of an actor."""
    held = []
    for key in one.leases:
        lease = run.leases[key]
        others = f" ({counted(len(lease.queue), 'other')} waiting)" if lease.queue else ""
        held.append(f"{lease_name(key)} for {span(lease.until - now_ms)} more{others}")
    if held:
        yield f"It holds {'the lease' if len(held) == 1 else 'the leases'} {listed(held)}."


def unowned(run: Run, one: Actor, scene: Scene) -> Iterator[str]:
    """What it means for an actor that nobody runs the run."""
    if scene.held:
        return
    yield f"But nobody runs the run: its clock stands still until `{scene.resume}`."
    if one.ending is not None:
        return
    if one.call is not None:
        bound = show(one.call.bound)
        yield f"Then the call in flight counts as spent ({bound}) and is asked again."
    if any(tool.effect == "effects" for tool in one.tools.values()):
        yield "Then its model is told that the outcome of the open tool call is unknown."


def within(until: int | None, now_ms: int) -> str:
    """Until when at the latest."""
    if until is None:
        return ""
    return f", in {span(until - now_ms)} at the latest" if until > now_ms else ", now"


def its_time(run: Run, one: Actor, now_ms: int) -> Iterator[str]:
    """How an actor's own time runs out, and what follows."""
    if one.ending is not None:
        return
    if one.stop_at is not None:
        yield f"It ends in {span(one.stop_at - now_ms)} at the latest: {one.stop_why}."
    elif one.deadline is not None:
        left = f"Its own time is up in {span(one.deadline - now_ms)} (of {span(one.timeout_ms)})"
        if one.role == "worker":
            yield f"{left}; it then settles as TimedOut."
        else:
            grace = span(run.house.grace_secs * 1000)
            yield f"{left}; its workers then have {grace} to wrap up, and it has one last turn."


def its_envelope(run: Run, one: Actor) -> Iterator[str]:
    """What a sub-lead has for itself and all below it, and how much of it is left."""
    if one.role != "sublead":
        return
    own = run.envelopes[one.id]
    yield (
        f"It and all below it have cost {show(own.spent)} of {show(own.limit)}, "
        f"{show(free(own))} is free; {one.workers_live} of at most "
        f"{counted(one.max_workers, 'worker')} live."
    )


def troubles(one: Actor, scene: Scene) -> Iterator[str]:
    """What has gone wrong with a live actor so far."""
    if one.winding:
        yield f"It was told to wind down ({one.winding})."
    if one.mail:
        verb = "goes" if len(one.mail) == 1 else "go"
        yield f"{counted(len(one.mail), 'message')} to it {verb} with its next call."
    crashes = [each for _, each in scene.happened if isinstance(each, e.SessionCrashed)]
    errors = [each.error for each in crashes if each.actor == one.id]
    if one.crashes and errors:
        yield (
            f"Its session crashed {counted(one.crashes, 'time')} in a row, the last time with "
            f'"{line(errors[-1])}"; {CRASHES_MAX} in a row fail it.'
        )
    if one.refusals_in_row:
        yield f"Turns in a row whose spawns were refused: {one.refusals_in_row}{codes(scene)}."


def codes(scene: Scene) -> str:
    """Why spawns of the run were refused, with how often."""
    refused = [each for _, each in scene.happened if isinstance(each, e.SpawnRefused)]
    found = Counter(each.code for each in refused).most_common()
    return f" ({', '.join(f'{number} {code}' for code, number in found)})" if found else ""


def spent(one: Actor | Record) -> str:
    """What an actor itself has cost."""
    call = one.call if isinstance(one, Actor) else None
    more = f"; {show(call.bound)} more is reserved for the call in flight" if call else ""
    return f"It has cost {show(one.spent)} in {counted(one.turns, 'turn')}{more}."


def of_settled(run: Run, record: Record, scene: Scene) -> Why:
    """Why a settled actor settled as it did."""
    own = [each for _, each in scene.happened if each.actor == record.id]
    by = [each.by for each in own if isinstance(each, e.ActorEnding)]
    how = f"{called(record)} settled as {record.status} after {span(record.duration_ms)}"
    how += f": {line(record.error, 500)}" if record.error else ""
    sentences = [how + (f" (by {by[-1]})." if by else ".")]
    if not record.turns and record.status != "SpawnFailed":
        sentences.append("It never had a turn: its model gave no answer.")
    for each in own if record.status != "Success" else ():
        if isinstance(each, e.SessionCrashed):
            sentences.append(f"Its session crashed: {line(each.error, 300)}.")
        elif isinstance(each, e.CallCut):
            sentences.append(f"A call of it ended without an answer: {line(each.why)}.")
    if record.preview:
        sentences.append(f'Its last words: "{line(record.preview)}"')
    workspace = run.workspaces.get(record.id)
    if workspace is not None and workspace.state == "kept":
        sentences.append(f"Its worktree stays: {line(workspace.why)}.")
    after = "nothing, for it has settled"
    if record.parent in run.actors:
        after += f"; {record.parent} decides what follows"
    sentences += [f"Next: {after}.", spent(record)]
    return Why(
        about=record.id,
        state=record.status,
        next=after,
        cost_usd=as_usd(record.spent),
        sentences=tuple(dict.fromkeys(sentences)),
    )
