"""Actor: how a live actor is started, ended and settled."""

from collections.abc import Callable, Collection, Iterator

from msgspec.structs import replace

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import estimates, ledger, notices
from leadhand.domain import events as e
from leadhand.domain.clock import At, Now
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.manifest import Settings
from leadhand.domain.rules import answer, approval, caps, contract, message, report, task
from leadhand.domain.state import Actor, Ending, Record, Run
from leadhand.domain.text import one_line
from leadhand.refusals import Settled, UnknownActor

CRASHES_MAX = 3
CRASH_BACKOFF_MS = 1_000


def cancel(run: Run, command: c.CancelActor, now: Now) -> list[e.Event]:
    """End an actor and all below it, deepest first."""
    if command.actor in run.records:
        raise Settled(f"{command.actor} has already settled as {run.records[command.actor].status}")
    run.live(command.actor)
    return ending_all(run, command.actor, "Cancelled", command.reason, command.by)


def ending_all(run: Run, top: ActorId, status: e.Status, reason: str, by: str) -> list[e.Event]:
    """The events that end a subtree, deepest first."""
    return [
        e.ActorEnding(actor.id, status=status, reason=reason, by=by)
        for actor in below(run, top)
        if actor.ending is None
    ]


def below(run: Run, top: ActorId) -> Iterator[Actor]:
    """The live actors of a subtree, deepest first, the top last."""
    actor = run.actors[top]
    for child in actor.live_children:
        yield from below(run, child)
    yield actor


def exited(run: Run, command: c.RecordExit, now: Now) -> list[e.Event]:
    """Settle the actor whose session is over; one whose answer is no end is asked to go on, and a
    lead without a report for one, once."""
    actor = run.actors.get(command.actor)
    checking = actor is not None and actor.duty.claimed_at is not None and actor.ending is None
    if actor is None or checking:
        return [e.ExitLate(command.actor, outcome=command.outcome)]
    if goes_on(actor, command.outcome):
        return []
    if on := answer.asked_on(actor, command.outcome):
        return on
    lead = actor.role == "lead"
    found = report.parse(command.final) if lead else None
    completed = command.outcome == "completed" and actor.ending is None
    may_go_on = not actor.final and actor.turns < actor.turns_max
    if lead and completed and found is None and may_go_on and not actor.report_asked:
        return [
            e.ReportAsked(actor.id),
            notices.notice(actor, "report", notices.NO_REPORT),
        ]
    if not lead and (first := contract.at_exit(run, actor, command)):
        return first
    events = settling(run, actor, command)
    if lead and found is not None:
        mismatches = report.check(run, found)
        events.append(e.ReportChecked(actor.id, by="lead", report=found, mismatches=mismatches))
    return events


def goes_on(actor: Actor, outcome: c.Outcome) -> bool:
    """Whether an actor is not over though its session may be: it is to be paused or interrupted,
    or something that asks for more has come while it wrote what would have been its last."""
    if actor.ending is not None or outcome not in ("completed", "cut", "empty"):
        return bool(actor.halting) and actor.ending is None and outcome != "unplaced"
    if actor.halting:
        return True
    return message.sent_more(actor) and not actor.final and actor.turns < actor.turns_max


def settling(run: Run, actor: Actor, command: c.RecordExit) -> list[e.Event]:
    """The events that close the actor's open call and settle it."""
    events = cut_short(actor, "its actor settled")
    status, error = outcome(actor, command)
    status = approval.settling(actor, status)
    events.append(e.ActorSettled(actor.id, status=status, error=error, final=command.final))
    return events


def outcome(actor: Actor, command: c.RecordExit) -> tuple[e.Status, str]:
    """The status and the error with which an actor settles."""
    if actor.ending is not None:
        return actor.ending.status, actor.ending.reason
    if actor.expired:
        return "TimedOut", "its time was up"
    if command.outcome == "completed":
        denied = contract.denial(actor)
        return ("Failed", denied) if denied else ("Success", "")
    if command.outcome == "budget":
        return "BudgetExceeded", command.error
    if command.outcome == "unplaced":
        return "SpawnFailed", command.error
    return "Failed", command.error or "its session ended without an answer"


def crashed(run: Run, command: c.RecordCrash, now: Now) -> list[e.Event]:
    """Start a broken session again after a while; a third crash in a row fails the actor."""
    actor = run.actors.get(command.actor)
    if actor is None:
        return [e.ExitLate(command.actor, outcome="crashed")]
    retry_at = now.run_ms + CRASH_BACKOFF_MS * 2**actor.crashes
    events = [
        *cut_short(actor, "its session crashed"),
        e.SessionCrashed(actor.id, error=one_line(command.error, 2_000), retry_at=retry_at),
    ]
    if actor.crashes + 1 >= CRASHES_MAX:
        error = f"its session crashed {CRASHES_MAX} times: {one_line(command.error)}"
        status, error = outcome(actor, c.RecordExit(actor.id, "failed", error=error))
        events.append(e.ActorSettled(actor.id, status=status, error=error))
    return events


def cut_short(actor: Actor, why: str) -> list[e.Event]:
    """The event that settles the actor's call in flight, as spent, if there is one."""
    if actor.call is None:
        return []
    return [e.CallCut(actor.id, call=actor.call.id, charged=actor.call.bound, why=why)]


def evolve_ending(run: Run, event: e.ActorEnding, at: At) -> None:
    """Remember how the actor is to settle."""
    run.actors[event.actor].ending = Ending(event.status, one_line(event.reason, 500), event.by)


def evolve_crash(run: Run, event: e.SessionCrashed, at: At) -> None:
    """Count the crash, which also abandons what the session was waiting for."""
    actor = run.actors[event.actor]
    actor.crashes += 1
    actor.retry_at = event.retry_at
    actor.deferral = None


def evolve_settled(run: Run, event: e.ActorSettled, at: At) -> None:
    """Shrink the actor to its record and free all that it held."""
    actor = run.actors.pop(event.actor)
    caps.count_live(run, actor, -1)
    run.failed += event.status != "Success"
    run.paused -= actor.paused is not None
    ledger.release(run, actor)
    parent = run.actors.get(actor.parent)
    if parent is not None:
        parent.live_children.remove(actor.id)
    if actor.role == "worker" and event.status == "Success":
        history = run.history.setdefault(f"{actor.agent}|{actor.model}", [])
        history.append(actor.spent)
        del history[: -estimates.HISTORY_MAX]
    start = actor.started_at if actor.started_at is not None else at.now.run_ms
    run.records[actor.id] = Record(
        id=actor.id,
        parent=actor.parent,
        role=actor.role,
        label=actor.label,
        agent=actor.agent,
        model=actor.model,
        stint=actor.stint,
        status=event.status,
        error=one_line(event.error, 500),
        preview=one_line(event.final) or actor.last_words,
        final_seq=at.seq,
        turns=actor.turns,
        usage=actor.usage,
        spent=actor.spent,
        started_wall_ms=actor.started_wall_ms or at.now.wall_ms,
        ended_wall_ms=at.now.wall_ms,
        duration_ms=at.now.run_ms - start,
        keys=actor.keys,
        message_count=actor.message_count,
        context_tokens=actor.context_tokens,
        price=actor.price,
        settings=actor.settings,
        max_workers=actor.max_workers,
        subleads_spawned=actor.subleads_spawned,
        read_down=actor.read_down,
        env=actor.env,
        duty=actor.duty,
        plan=actor.plan,
        outcome=event.outcome,
    )


def evolve_continued(run: Run, event: e.ActorContinued, at: At) -> None:
    """Make a live actor again out of a record."""
    record = run.records.pop(event.actor)
    run.failed -= record.status != "Success"
    settings = event.settings
    timeout_ms = (settings.timeout_secs or 0) * 1000
    parent = run.actors.get(record.parent)
    pool = parent.pool if parent else record.id
    if event.envelope is not None:
        ledger.carve(run, record.id, pool, event.envelope)
        pool = record.id
    actor = Actor(
        id=record.id,
        parent=record.parent,
        role=record.role,
        label=record.label,
        agent=record.agent,
        model=record.model,
        pool=pool,
        turns_max=record.turns + (settings.max_turns or 0),
        output_max=settings.max_tokens or 0,
        timeout_ms=timeout_ms,
        spawned_at=at.now.run_ms,
        spawned_wall_ms=record.started_wall_ms,
        directory=settings.directory or "",
        add_dirs=settings.add_dirs or (),
        stint=record.stint + 1,
        deadline=at.now.run_ms + timeout_ms,
        price=record.price,
        estimate=event.estimate,
        compact_above=settings.compact_above_tokens or estimates.COMPACT_ABOVE,
        turns=record.turns,
        context_tokens=record.context_tokens,
        usage=record.usage,
        spent=record.spent,
        message_count=record.message_count,
        keys=record.keys,
        max_workers=record.max_workers,
        subleads_spawned=record.subleads_spawned,
        read_down=record.read_down,
        env=record.env,
        settings=lean(settings),
        duty=contract.renewed(record.duty),
        plan=record.plan,
    )
    run.actors[actor.id] = actor
    caps.count_live(run, actor, 1)
    if event.envelope is None:
        ledger.join(run, pool, ledger.hold(actor))
    if parent is not None:
        parent.live_children.append(actor.id)
    ledger.slice_report(run, actor, event.slice)


def lean(settings: Settings) -> Settings:
    """What the state keeps of settings: all but what may be long or secret."""
    return replace(settings, system=None, env=None)


def due(run: Run, actor: Actor, alive: Collection[ActorId], now: Now) -> Iterator[fx.Effect]:
    """Start what should live and does not; end what should not, deepest first."""
    if actor.ending is None and (actor.paused is not None or actor.halting):
        return
    if actor.role == "tasks" and actor.ending is None:
        yield from task.due(run, actor, now)
    elif actor.ending is None:
        if actor.id not in alive and now.run_ms >= actor.retry_at:
            claimed = actor.duty.claimed_at is not None
            yield fx.Check(actor.id) if claimed else fx.Launch(actor.id)
    elif not actor.live_children:
        if actor.id in alive:
            yield fx.Stop(actor.id)
        else:
            yield fx.Submit(c.RecordExit(actor.id, "stopped"))


def timers(actor: Actor) -> Iterator[int]:
    """When `due` may change by time alone."""
    if actor.retry_at:
        yield actor.retry_at


def sees(run: Run, caller: ActorId, other: ActorId, *, reads: bool = False) -> bool:
    """Whether an actor reaches another: itself, or a child of its own. reads: it only looks, and
    so also reaches what is below a sub-lead that it sees and that was made to be read."""
    one = run.actors.get(other) or run.records.get(other)
    if one is None or caller in (other, one.parent):
        return one is not None
    above = run.actors.get(one.parent) or run.records.get(one.parent)
    lets = reads and above is not None and above.read_down
    return lets and sees(run, caller, one.parent, reads=True)


def find(run: Run, name: str, caller: ActorId, *, reads: bool = False) -> ActorId:
    """The actor a name stands for: its path, its path from the caller on, or a label that only
    one has; among those that the caller `sees`. Raises UnknownActor."""
    return the_one(run, name, caller, lambda actor: sees(run, caller, actor, reads=reads))


def find_any(run: Run, name: str) -> ActorId:
    """The same for the operator, who reaches everyone. Raises UnknownActor."""
    return the_one(run, name, ROOT, lambda actor: actor in run.actors or actor in run.records)


def the_one(run: Run, name: str, top: ActorId, reached: Callable[[ActorId], bool]) -> ActorId:
    """The one actor of a name among those that are reached. Raises UnknownActor."""
    for path in (ActorId(name), ActorId(f"{top}/{name}")):
        if reached(path):
            return path
    everyone: list[Actor | Record] = [*run.actors.values(), *run.records.values()]
    labelled = [each.id for each in everyone if each.label == name and reached(each.id)]
    if len(labelled) == 1:
        return labelled[0]
    raise UnknownActor(f"unknown actor: {one_line(name, 80)}")
