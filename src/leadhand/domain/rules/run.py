"""Run: how a run begins, changes owner, drains, is cancelled, and ends."""

from collections.abc import Collection, Iterator

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import events as e
from leadhand.domain import notices
from leadhand.domain.clock import At, Now
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.rules import actor as actors
from leadhand.domain.rules import pace, pause, report, spawn, workspace
from leadhand.domain.state import Run
from leadhand.domain.text import one_line
from leadhand.refusals import Settled


def start(run: Run, command: c.StartRun, now: Now) -> list[e.Event]:
    """Begin a run with its lead."""
    if run.status is not None:
        raise Settled("the run has already begun")
    return [
        e.RunStarted(run_id=command.run_id, manifest=command.manifest),
        spawn.root(run, command.manifest),
    ]


def own(run: Run, command: c.OwnRun, now: Now) -> list[e.Event]:
    """Note the new owner. One that acts settles, as spent, the calls the last one left open."""
    events: list[e.Event] = [e.RunOwned(epoch=command.epoch, who=command.who, acts=command.acts)]
    if command.acts:
        events += [
            e.CallCut(each.id, call=each.call.id, charged=each.call.bound, why="its owner died")
            for each in run.actors.values()
            if each.call is not None
        ]
    if command.acts and run.parked is not None:
        events.append(e.RunUnparked())
    if command.acts and run.drain_until is not None and run.led and not over(run):
        events += [
            notices.notice(each, "reopened", notices.REOPENED) for each in run.actors.values()
        ]
    return events


def drain(run: Run, command: c.DrainRun, now: Now) -> list[e.Event]:
    """Start nothing new and tell everyone to wrap up."""
    check_going(run)
    if run.drain_until is not None:
        return []
    until = now.run_ms + run.house.grace_secs * 1000
    told = [
        notices.notice(each, "draining", notices.DRAINING)
        for each in run.actors.values()
        # A task that wrapped up early would count as done: it goes on, or is resumed later.
        if each.ending is None and run.led
    ]
    return [e.RunDraining(by=command.by, until=until), *told]


def cancel(run: Run, command: c.CancelRun, now: Now) -> list[e.Event]:
    """End the run and every actor of it."""
    check_going(run)
    if run.cancelled is not None:
        return []
    tops = [each for each in run.actors.values() if each.parent not in run.actors]
    ending = [
        event
        for top in tops
        for event in actors.ending_all(run, top.id, "Cancelled", command.reason, command.by)
    ]
    return [e.RunCancelled(reason=command.reason, by=command.by), *ending]


def reopen(run: Run, command: c.ReopenRun, now: Now) -> list[e.Event]:
    """Give the lead of a run that may be taken up again another stint. Raises Settled."""
    if not reopenable(run):
        raise Settled(f"the run is already finished: {run.status}")
    return another_stint(run)


def another_stint(run: Run) -> list[e.Event]:
    """The events by which a settled lead goes on, and is told why."""
    assert run.manifest is not None
    number = run.records[ROOT].message_count + 1
    text = notices.relieved(run) if run.relieved else notices.REOPENED
    return [
        e.RunReopened(),
        e.ActorContinued(
            ROOT, settings=spawn.lead_settings(run.manifest), slice=run.envelopes[ROOT].report
        ),
        e.MessageSent(ROOT, number=number, sender="leadhand", kind="reopened", text=text),
    ]


def finish(run: Run, command: c.FinishRun, now: Now) -> list[e.Event]:
    """Close the run; a lead that gave no report gets one from the log. Where there is more now of
    what it ran out of, the lead gets another stint instead."""
    if over(run) or run.actors or ROOT not in run.records or any(workspace.last_due(run)):
        return []
    events: list[e.Event] = []
    status = run.report_status
    if not status:
        written = report.written(run)
        status = written.status
        events.append(e.ReportChecked(ROOT, by="runtime", report=written))
    ended = outcome(run, status)
    goes_on = run.relieved and run.drain_until is None
    if goes_on and ended not in ("succeeded", "cancelled"):
        return another_stint(run)
    return [*events, e.RunFinished(status=ended)]


def outcome(run: Run, report_status: str) -> e.RunStatus:
    """How the run ended: succeeded only where the lead, its report and every worker did."""
    lead = run.records[ROOT]
    if run.cancelled is not None or lead.status == "Cancelled":
        return "cancelled"
    if lead.status == "TimedOut":
        return "timed_out"
    if lead.status != "Success" or report_status == "failed":
        return "failed"
    if report_status == "success" and not report.failed(run):
        return "succeeded"
    return "partial"


def check_going(run: Run) -> None:
    """Refuse what only a run that has begun and is not finished can do. Raises Settled."""
    if run.status is None:
        raise Settled("the run has not begun")
    if over(run):
        raise Settled("the run is already finished")


def over(run: Run) -> bool:
    """Whether the run is finished."""
    return run.status not in (None, "running")


def reopenable(run: Run) -> bool:
    """Whether the run was drained before its work was done, or ran out of what there is more of
    now, and may be taken up again."""
    may_go_on = run.drained or bool(run.relieved)
    return over(run) and run.led and may_go_on and run.status not in ("succeeded", "cancelled")


def evolve_started(run: Run, event: e.RunStarted, at: At) -> None:
    """Keep what was asked."""
    run.id, run.manifest, run.status = event.run_id, event.manifest, "running"
    run.started_wall_ms = at.now.wall_ms


def evolve_owned(run: Run, event: e.RunOwned, at: At) -> None:
    """A new owner starts afresh: no drain, and nobody's session is alive."""
    run.epoch = event.epoch
    if not event.acts:
        return
    run.owner = event.who
    if not over(run):
        # A lead that settled in the drain has left work: the run may be reopened when it is over.
        run.drained = run.drained or (run.drain_until is not None and ROOT in run.records)
        run.drain_until = None
    for each in run.actors.values():
        each.deferral = None
        pause.evolve_owned(each)


def evolve_draining(run: Run, event: e.RunDraining, at: At) -> None:
    """Start nothing new."""
    run.drain_until = event.until


def evolve_cancelled(run: Run, event: e.RunCancelled, at: At) -> None:
    """Remember why."""
    run.cancelled = one_line(event.reason, 500)


def evolve_reopened(run: Run, event: e.RunReopened, at: At) -> None:
    """The run goes on; its last report no longer holds."""
    run.status, run.drained, run.drain_until = "running", False, None
    run.finished_wall_ms = None
    run.report_status = run.report_by = ""
    run.mismatches = 0


def evolve_finished(run: Run, event: e.RunFinished, at: At) -> None:
    """Keep how it ended, and whether it was drained before its work was done."""
    run.status = event.status
    run.finished_wall_ms = at.now.wall_ms
    run.drained = run.drained or run.drain_until is not None
    run.parked = None


def due(run: Run, alive: Collection[ActorId], now: Now) -> Iterator[fx.Effect]:
    """Close the run when nobody is left and all is tidied up; let go of it when a drain has lasted
    long enough."""
    if run.drain_until is not None and not over(run) and now.run_ms >= run.drain_until:
        yield fx.Suspend()
        return
    if not over(run):
        yield from pace.due(run, now)
    if not over(run) and not run.actors and ROOT in run.records:
        left = [*workspace.last_due(run)]
        yield from left or [fx.Submit(c.FinishRun())]


def timers(run: Run) -> Iterator[int]:
    """When `due` may change by time alone."""
    if run.drain_until is not None and not over(run):
        yield run.drain_until
