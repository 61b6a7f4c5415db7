"""Notify: what the operator's sinks are to be told, and what became of that.

Law: what is to be told follows from the log alone, so that whoever owns the run next tells it too.
"""

from collections.abc import Iterator
from typing import get_args

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import events as e
from leadhand.domain.clock import At, Now
from leadhand.domain.ids import ROOT
from leadhand.domain.manifest import NoticeEvent, Notification, Severity
from leadhand.domain.state import Actor, Approval, Pending, Run
from leadhand.domain.text import one_line

# A sink that is gone for good is not tried for ever.
ATTEMPTS_MAX = 12
KEPT_MS = 24 * 3_600_000
# Notices that wait at a time; of failed workers there may be any number, of the others not.
PENDING_MAX = 500
# An actor that fails may be what tells that the run is short.
SHORT = "-budget"
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
_ENDINGS: dict[str, Severity] = {"succeeded": "info", "partial": "warning", "cancelled": "warning"}


def remind(run: Run, command: c.RemindApproval, now: Now) -> list[e.Event]:
    """Note that half of a question's time has passed."""
    place = run.questions.get(command.approval)
    if place is None:
        return []
    actor = run.actors[place[0]]
    found = actor.approvals[place[1]]
    if found.reminded or now.run_ms < half(found):
        return []
    text = found.summary
    return [e.ApprovalReminded(actor.id, approval=found.id, summary=text, until=found.until)]


def delivered(run: Run, command: c.RecordDelivered, now: Now) -> list[e.Event]:
    """A sink was told; one that was told again was told once."""
    return [e.NoticeDelivered(key=command.key)] if command.key in run.outbox.pending else []


def undelivered(run: Run, command: c.RecordUndelivered, now: Now) -> list[e.Event]:
    """A sink could not be told: it is tried again, but not for ever."""
    found = run.outbox.pending.get(command.key)
    if found is None:
        return []
    why = one_line(command.why)
    if command.final:
        return [e.NoticeDropped(key=command.key, why=why)]
    if found.attempts + 1 >= ATTEMPTS_MAX:
        why = f"{why} (attempt {ATTEMPTS_MAX}, the last)"
        return [e.NoticeDropped(key=command.key, why=why)]
    if max(now.wall_ms, command.until) - found.wall_ms >= KEPT_MS:
        return [e.NoticeDropped(key=command.key, why=f"{why} (for a day)")]
    return [e.NoticeDeferred(key=command.key, why=why, until=command.until)]


def wanted(run: Run, event: NoticeEvent, severity: Severity) -> Iterator[int]:
    """The sinks that are told of such an event."""
    sinks = run.manifest.notifications if run.manifest else ()
    return (number for number, sink in enumerate(sinks) if wants(sink, event, severity))


def wants(sink: Notification, event: NoticeEvent, severity: Severity) -> bool:
    """Whether a sink is told of such an event."""
    bad_enough = SEVERITIES.index(severity) >= SEVERITIES.index(sink.severity_min)
    return bad_enough and (not sink.events or event in sink.events)


def tell(run: Run, event: NoticeEvent, severity: Severity, at: At, mark: str = "") -> None:
    """Let the sinks that want it be told of this event. mark: tells two notices of one event
    apart."""
    box = run.outbox
    for sink in wanted(run, event, severity):
        if event == "worker_failed" and len(box.pending) >= PENDING_MAX:
            box.lost += 1
            continue
        box.pending[f"{at.seq}-{sink}{mark}"] = Pending(
            event, severity, at.seq, sink, at.now.wall_ms
        )


def evolve_started(run: Run, event: e.RunStarted, at: At) -> None:
    """The run began."""
    tell(run, "run_dispatched", "info", at)


def evolve_finished(run: Run, event: e.RunFinished, at: At) -> None:
    """The run is over."""
    tell(run, "run_finished", _ENDINGS.get(event.status, "error"), at)


def evolve_report(run: Run, event: e.ReportChecked, at: At) -> None:
    """Which report the end of the run tells of."""
    run.outbox.report = at.seq


def evolve_asked(run: Run, event: e.ApprovalAsked, at: At) -> None:
    """A question waits for the operator."""
    tell(run, "approval_request", "warning", at)


def evolve_answered(run: Run, event: e.ApprovalAnswered, at: At) -> None:
    """What a policy answered at once was never a question to the operator."""
    if event.by == "policy":
        for sink in wanted(run, "approval_request", "warning"):
            run.outbox.pending.pop(f"{at.seq - 1}-{sink}", None)


def evolve_reminded(run: Run, event: e.ApprovalReminded, at: At) -> None:
    """The question still waits."""
    run.actors[event.actor].approvals[run.questions[event.approval][1]].reminded = True
    tell(run, "approval_pending", "warning", at)


def evolve_short(run: Run, event: e.Event, at: At) -> None:
    """The run may have run short of money; that is told once."""
    if "budget" in run.short and not run.outbox.short:
        run.outbox.short = True
        tell(run, "budget_exceeded", "error", at, SHORT)


def evolve_relieved(run: Run, event: e.HouseChanged | e.RunReopened, at: At) -> None:
    """With more money, the want of it would be news again."""
    run.outbox.short = "budget" in run.short


def evolve_settling(run: Run, event: e.ActorSettled, at: At) -> None:
    """A worker or sub-lead that failed, maybe for want of the run's money; the lead's end is the
    run's."""
    if event.actor != ROOT and event.status not in ("Success", "Cancelled"):
        tell(run, "worker_failed", "error", at)
    evolve_short(run, event, at)


def evolve_deferred(run: Run, event: e.NoticeDeferred, at: At) -> None:
    """One attempt less."""
    found = run.outbox.pending[event.key]
    found.attempts += 1
    found.until, found.why = event.until, event.why


def evolve_delivered(run: Run, event: e.NoticeDelivered, at: At) -> None:
    """It is done."""
    del run.outbox.pending[event.key]
    run.outbox.delivered += 1


def evolve_dropped(run: Run, event: e.NoticeDropped, at: At) -> None:
    """It is given up."""
    del run.outbox.pending[event.key]
    run.outbox.dropped += 1
    run.outbox.why = event.why


def half(question: Approval) -> int:
    """When half of a question's time has passed (run_ms)."""
    return question.since + (question.until - question.since) // 2


def unreminded(run: Run, actor: Actor) -> Iterator[Approval]:
    """The questions of an actor that the operator is still to be reminded of."""
    if actor.approvals and any(True for _ in wanted(run, "approval_pending", "warning")):
        yield from (each for each in actor.approvals.values() if not (each.answer or each.reminded))


def due(run: Run, actor: Actor, now: Now) -> Iterator[fx.Effect]:
    """Remind the operator of what has waited for half of its time, and may still be answered."""
    for each in unreminded(run, actor):
        if half(each) <= now.run_ms < each.until:
            yield fx.Submit(c.RemindApproval(each.id))


def timers(run: Run, actor: Actor) -> Iterator[int]:
    """When `due` may change by time alone."""
    return (half(each) for each in unreminded(run, actor))
