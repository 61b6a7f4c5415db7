"""Notice: what a sink is told of an event, in one line and in fields.

Law: what a model wrote is cut, on one line and safe to print wherever it stands.
"""

from msgspec.structs import replace

from leadhand.domain import events as e
from leadhand.domain.ids import ActorId
from leadhand.domain.money import as_usd, show
from leadhand.domain.outcomes import Report, ReportItem
from leadhand.domain.state import Pending, Run
from leadhand.notifier import Notice
from leadhand.views.record import iso
from leadhand.views.words import line

TEXT_MAX, ITEMS_MAX = 500, 100


def notice(run: Run, key: str, pending: Pending, event: e.Event, report: Report | None) -> Notice:
    """What a sink is told. report: the run's last."""
    bare = Notice(
        id=f"{run.id}-{key}",
        event=pending.event,
        severity=pending.severity,
        run_id=run.id,
        at=iso(pending.wall_ms),
        actor=event.actor,
        summary="",
    )
    if pending.event == "budget_exceeded":
        return short(run, bare)
    match event:
        case e.ApprovalAsked():
            return asked(run, bare, event)
        case e.ApprovalReminded():
            summary = f"{event.approval} of {event.actor} still waits for an answer: "
            text = line(event.summary, TEXT_MAX)
            left = max(0, event.until - run.run_ms) // 1000
            return replace(
                bare,
                summary=summary + text,
                approval=event.approval,
                question=text,
                secs_left=left,
            )
        case e.RunStarted():
            lead = run.manifest.lead.id if run.manifest else ""
            budget = run.house.budget_nanousd
            summary = f"run {run.id} ({lead}) began, with a budget of {show(budget)}"
            return replace(bare, summary=summary, budget_usd=as_usd(budget))
        case e.RunFinished():
            return finished(run, bare, event, report)
        case e.ActorSettled():
            return failed(run, bare, event)
        case _:
            return bare


def short(run: Run, bare: Notice) -> Notice:
    """Of a run that is short of money."""
    spent, budget = run.spent, run.house.budget_nanousd
    summary = f"run {run.id} runs short of its budget: {show(spent)} of {show(budget)}"
    return replace(bare, summary=summary, spent_usd=as_usd(spent), budget_usd=as_usd(budget))


def asked(run: Run, bare: Notice, event: e.ApprovalAsked) -> Notice:
    """Of a question."""
    what = event.question.tool or event.question.category
    text = line(event.summary, TEXT_MAX)
    return replace(
        bare,
        summary=f"{event.actor} asks for approval {event.approval} ({what}): {text}",
        approval=event.approval,
        category=event.question.category,
        tool=event.question.tool,
        question=text,
        fallback=event.fallback,
        secs_left=max(0, event.until - run.run_ms) // 1000,
    )


def finished(run: Run, bare: Notice, event: e.RunFinished, report: Report | None) -> Notice:
    """Of a run's end."""
    lead = run.records.get(ActorId("root"))
    return replace(
        bare,
        summary=f"run {run.id} ended: {event.status}, at {show(run.spent)}",
        status=event.status,
        spent_usd=as_usd(run.spent),
        budget_usd=as_usd(run.house.budget_nanousd),
        preview=line(lead.preview) if lead else "",
        report=cut(report) if report else None,
    )


def failed(run: Run, bare: Notice, event: e.ActorSettled) -> Notice:
    """Of a worker that did not succeed."""
    record = run.records.get(event.actor)
    label = f" ({line(record.label, 80)})" if record and record.label else ""
    why = f": {line(event.error, TEXT_MAX)}" if event.error else ""
    return replace(
        bare,
        summary=f"{event.actor}{label} of run {run.id} ended as {event.status}{why}",
        status=event.status,
        spent_usd=as_usd(record.spent) if record else None,
        preview=line(event.final),
    )


def cut(report: Report) -> Report:
    """A report of bounded length, each text on one line."""
    return replace(
        report,
        completed=items(report.completed),
        deferred_or_failed=items(report.deferred_or_failed),
        cost_summary=items(report.cost_summary),
        trailing_text=line(report.trailing_text, TEXT_MAX),
    )


def items(given: tuple[ReportItem, ...]) -> tuple[ReportItem, ...]:
    """The first bullets of a report."""
    return tuple(
        replace(
            each,
            worker_id=line(each.worker_id),
            input=line(each.input, TEXT_MAX),
            result=line(each.result, TEXT_MAX),
            reason=line(each.reason, TEXT_MAX),
        )
        for each in given[:ITEMS_MAX]
    )
