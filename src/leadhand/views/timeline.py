"""Timeline: what happened in a run, one line of words for each event."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from leadhand.domain import events as e
from leadhand.domain.clock import At
from leadhand.domain.contract import failing, shown
from leadhand.domain.ids import ActorId
from leadhand.domain.layers import lease_name
from leadhand.domain.money import show
from leadhand.views.record import iso
from leadhand.views.words import counted, line, listed, model_name, names, span

Words = Callable[[Any], str]


class Entry(Struct, frozen=True):
    """One event for people. step: whether it shows that work goes on; the rest is detail."""

    seq: int
    wall_ms: int
    actor: ActorId
    text: str
    step: bool


def entry(at: At, event: e.Event) -> Entry:
    """One event for people."""
    text = line(TEXTS[type(event)](event), 300)
    return Entry(at.seq, at.now.wall_ms, event.actor, text, is_step(event))


def fields(at: At, event: e.Event) -> dict[str, Any]:
    """One event for programs: seq, at, run_ms, actor, type, and the fields that are set."""
    body = msgspec.to_builtins(event)
    place = {"seq": at.seq, "at": iso(at.now.wall_ms), "run_ms": at.now.run_ms}
    return {**place, "actor": event.actor, "type": type(event).__name__, **body}


def is_step(event: e.Event) -> bool:
    """Whether the event belongs to the short form."""
    if isinstance(event, e.ToolReturned):
        return event.is_error
    if isinstance(event, e.TurnRecorded):
        return bool(event.intents)
    return not isinstance(event, DETAILS)


def began(event: e.RunStarted) -> str:
    """The house rules that a run began with."""
    if event.manifest is None:
        return "the run began"
    house = event.manifest.house
    if event.manifest.tasks:
        money = show(house.budget_nanousd)
        return f"the run began: {counted(len(event.manifest.tasks), 'task')}, {money}"
    return (
        f"the run began: lead {event.manifest.lead.id}, at most "
        f"{counted(house.max_workers, 'worker')} at a time, {show(house.budget_nanousd)}, "
        f"{span(house.lead_timeout_secs * 1000)}"
    )


def owned(event: e.RunOwned) -> str:
    """Who took the run, and what for."""
    return f"{event.who} {'runs it' if event.acts else 'left a command for it'}"


def spawned(event: e.ActorSpawned) -> str:
    """Who started whom, and for what."""
    what = event.label or event.prompt
    if event.role == "tasks":
        return "the tasks begin"
    if event.role == "sublead":
        return (
            f"spawned by {event.parent} as a sub-lead with {show(event.envelope or 0)} and at most "
            f"{counted(event.max_workers, 'worker')}: {line(what, 120)}"
        )
    if event.role != "worker":
        return f"started as {event.role}: {line(what, 120)}"
    money = f" with {show(event.envelope)}" if event.envelope is not None else ""
    agent = f" as {event.agent}" if event.agent else ""
    return f"spawned by {event.parent}{agent}{money}: {line(what, 120)}"


def settled(event: e.ActorSettled) -> str:
    """How a stint ended, and the last words or the error."""
    if event.status == "Success" and event.outcome == "verified":
        return f"succeeded, verified: {line(event.final, 160)}"
    if event.status == "Success":
        return f"succeeded: {line(event.final, 160)}" if event.final else "succeeded"
    return f"settled as {event.status}: {line(event.error or event.final, 200)}"


def money(amount: int) -> str:
    """What something cost, where it cost anything."""
    return f" ({show(amount)})" if amount else ""


def reported(event: e.OutcomeReported) -> str:
    """What a worker says of its work."""
    how = " by its status file" if event.by == "file" else ""
    return f"reports {event.delivery.status}{how}: {line(event.delivery.summary, 160)}"


def found(event: e.ChecksRecorded) -> str:
    """What the checks found, what fails first."""
    bad = failing(event.evidence)
    if not event.evidence:
        return "nothing was there to be checked"
    if not bad:
        verb = "holds" if len(event.evidence) == 1 else "hold"
        return f"{counted(len(event.evidence), 'check')} of its work {verb}"
    return f"{len(bad)} of {counted(len(event.evidence), 'check')} fail: {shown(bad[0])}"


def turn(event: e.TurnRecorded) -> str:
    """What the model asked for, or said."""
    steps = [intent.step or intent.tool for intent in event.intents]
    what = f"calls {listed(steps, 3)}" if steps else f"says {line(event.words, 160)}"
    return what + money(event.cost)


def admitted(event: e.CallAdmitted) -> str:
    """Which model is asked, and what it may cost at most."""
    most = f", at most {show(event.bound)}" if event.bound else ""
    how = ", for the last time" if event.final else ", for a summary" if event.compacts else ""
    return f"asks {model_name(event.model)}{most}{how}"


def waits(event: e.WaitOpened) -> str:
    """For whom or what an actor waits."""
    if event.path:
        return f"waits for {event.path}, version {event.min_version}"
    if event.lease:
        return f"waits for the lease {lease_name(event.lease)}"
    each = "the first of " if event.any and len(event.targets) > 1 else ""
    return f"waits for {each}{names(event.targets)}"


def checked(event: e.ReportChecked) -> str:
    """What the report says, and whether the log agrees."""
    whose = "its report" if event.by == "lead" else "a report written from the log"
    if not event.mismatches:
        return f"{whose} says {event.report.status}"
    return (
        f"{whose} says {event.report.status}, the log disagrees in "
        f"{counted(len(event.mismatches), 'point')}: {listed(event.mismatches, 1)}"
    )


def returned(event: e.ToolReturned) -> str:
    """Whether a tool went well, and how its result begins."""
    return f"tool {'failed' if event.is_error else 'returned'}: {line(event.content, 120)}"


def compacted(event: e.ConversationCompacted) -> str:
    """What a summary left."""
    if not event.summary:
        return f"its conversation could not be summarized{money(event.cost)}"
    return f"its conversation was summarized{money(event.cost)}: {line(event.summary, 120)}"


def chosen(event: e.WorkspaceChosen) -> str:
    """Where an actor is to work, and what it does not find there."""
    lacks = f"; {listed(event.notes)}" if event.notes else ""
    return f"works in a worktree on the branch {event.branch} from {event.base[:12]}{lacks}"


def server_found(event: e.ServerAsked) -> str:
    """What an MCP server was found to have."""
    if event.trouble:
        return f"the MCP server {event.server} is not there: {event.trouble}"
    whys = "; ".join(event.left_out)
    left = f"; left out: {whys}" * bool(whys)
    return f"the MCP server {event.server} has {counted(len(event.tools), 'tool')}{left}"


def parked(event: e.RunParked) -> str:
    """Why nothing goes on, and until when."""
    until = f"until {iso(event.until)}" if event.until else "until it is resumed"
    return f"the run is parked {until}: {model_name(event.model)}: {line(event.why, 160)}"


def changed(event: e.HouseChanged) -> str:
    """The house rules that hold from now on."""
    house = event.house
    more = f"; more {' and '.join(event.raised)}" if event.raised else ""
    return (
        f"the house rules were changed: at most {counted(house.max_workers, 'worker')} at a time, "
        f"{show(house.budget_nanousd)}, {span(house.lead_timeout_secs * 1000)}{more}"
    )


def mapped(event: e.PathsMapped) -> str:
    """Which paths have moved, and where."""
    return f"paths moved: {listed([f'{old} is now {new}' for old, new in event.pairs], 3)}"


def put(event: e.EntryPut) -> str:
    """Which entry was written, and what with."""
    value = f"{event.size:,} bytes" if event.blob else line(event.value, 120)
    return f"wrote {event.path} (version {event.version}): {value}"


def granted(event: e.LeaseGranted) -> str:
    """Which lease was granted."""
    return f"holds the lease {lease_name(event.lease)} (fence {event.fence})"


def asked(event: e.ApprovalAsked) -> str:
    """What the operator was asked."""
    what = f"{event.approval}, {event.question.category}"
    return f"asks for approval ({what}): {line(event.summary, 160)}"


def answered(event: e.ApprovalAnswered) -> str:
    """What was answered, and by whom."""
    said = "approved" if event.approved else "rejected"
    whose = {"ttl": "its fallback, since nobody answered", "policy": "a policy"}
    why = event.edited_summary or event.comment
    told = f": {line(why, 160)}" if why and event.by != "ttl" else ""
    return f"{event.approval} was {said} by {whose.get(event.by, event.by)}{told}"


TEXTS: dict[type, Words] = {
    e.ActorEnding: lambda it: f"is being ended as {it.status} by {it.by}: {it.reason}",
    e.SessionCrashed: lambda it: f"its session crashed and starts again: {it.error}",
    e.ActorSettled: settled,
    e.ActorContinued: lambda it: "goes on with its conversation",
    e.ExitLate: lambda it: f"its session ended late ({it.outcome}); nothing changes",
    e.AnswerUnfinished: lambda it: f"its answer was {it.why}; it was asked to go on",
    e.ApprovalAsked: asked,
    e.ApprovalAnswered: answered,
    e.ApprovalUsed: lambda it: f"does what {it.approval} approved",
    e.CallAdmitted: admitted,
    e.CallDeferred: lambda it: f"its call waits for {it.why}",
    e.CallCut: lambda it: f"its call ended without an answer: {it.why}{money(it.charged)}",
    e.BoundExceeded: lambda it: f"an answer cost {show(it.excess)} more than its bound",
    e.WindDownBegan: lambda it: f"winds down: {it.why}" + (", one call is left" * it.final),
    e.SpawnRefused: lambda it: f"a spawn was refused: {it.code}",
    e.ConversationCompacted: compacted,
    e.BeginningKept: lambda it: "how its files begin was looked at",
    e.DriftFound: lambda it: f"changed what it does not claim: {listed(it.paths)}",
    e.OutcomeReported: reported,
    e.OutcomeAsked: lambda it: "ended without the value that it owes and was asked for it",
    e.OutcomeClaimed: lambda it: f"its work is checked: {line(it.final, 120)}",
    e.ChecksRecorded: found,
    e.DeadlineNeared: lambda it: "was told that its time is nearly up",
    e.ActorExpired: lambda it: "its time is up; one call is left",
    e.WrapUpAsked: lambda it: f"was asked to wrap up: {it.why}",
    e.HouseChanged: changed,
    e.EntryPut: put,
    e.LeaseGranted: granted,
    e.LeaseRenewed: lambda it: f"holds the lease {lease_name(it.lease)} for longer",
    e.LeaseReleased: lambda it: f"released the lease {lease_name(it.lease)}",
    e.LeaseExpired: lambda it: f"its lease {lease_name(it.lease)} expired",
    e.LeaseLeft: lambda it: f"waits no longer for the lease {lease_name(it.lease)}",
    e.MessageSent: lambda it: f"message from {it.sender}: {line(it.text, 160)}",
    e.ApprovalReminded: lambda it: f"{it.approval} has waited for half of its time",
    e.NoticeDeferred: lambda it: f"notice {it.key} waits: its sink could not be told: {it.why}",
    e.NoticeDelivered: lambda it: f"notice {it.key} is told",
    e.NoticeDropped: lambda it: f"notice {it.key} is dropped: {it.why}",
    e.CallHeld: lambda it: f"its call waits for {it.why}",
    e.ToolBegun: lambda it: f"calls {it.step or it.tool}",
    e.MailDelivered: lambda it: f"read {counted(len(it.messages), 'message')}",
    e.CallerDenied: lambda it: (
        f"a caller was turned away{f' ({it.tool})' * bool(it.tool)}: {it.why}"
    ),
    e.ServerAsked: server_found,
    e.StartHeld: lambda it: f"its start waits for {it.why}" if it.why else "it may start",
    e.RunParked: parked,
    e.RunUnparked: lambda it: "the parked run goes on",
    e.PathsMapped: mapped,
    e.ActorPaused: lambda it: f"paused by {it.by} ({it.mode})" + f": {it.reason}" * bool(it.reason),
    e.ActorUnpaused: lambda it: f"continued by {it.by}",
    e.ActorReprompted: lambda it: f"interrupted by {it.by} with a new prompt",
    e.SessionHalted: lambda it: "its session is stopped",
    e.PoliciesChanged: lambda it: (
        f"{it.by} changed the policies: {counted(len(it.policies), 'rule')}, else {it.default}"
    ),
    e.ReportAsked: lambda it: "ended without a report and was asked for one",
    e.ReportChecked: checked,
    e.RunStarted: began,
    e.RunOwned: owned,
    e.RunDraining: lambda it: f"draining, asked by {it.by}: nothing new starts",
    e.RunCancelled: lambda it: f"cancelled by {it.by}: {it.reason}",
    e.RunReopened: lambda it: "the run was taken up again",
    e.RunFinished: lambda it: f"the run ended: {it.status}",
    e.ActorSpawned: spawned,
    e.TaskHeld: lambda it: f"task {it.task} waits for another to settle: {it.why}",
    e.TaskSkipped: lambda it: f"task {it.task} is skipped: {it.why}",
    e.TurnRecorded: turn,
    e.TurnLate: lambda it: f"an answer came too late{money(it.booked)}",
    e.ToolReturned: returned,
    e.ToolLate: lambda it: "a tool returned too late; nothing changes",
    e.WaitOpened: waits,
    e.WorkspaceChosen: chosen,
    e.WorkspaceMade: lambda it: "its worktree is made",
    e.WorkspaceRemoved: lambda it: "its worktree was removed; all that it held is held elsewhere",
    e.WorkspaceKept: lambda it: f"its worktree stays: {it.why}",
}
DETAILS = (
    *(e.ApprovalUsed, e.ExitLate, e.CallAdmitted, e.DeadlineNeared, e.MessageSent, e.ToolLate),
    *(e.TurnLate, e.WorkspaceMade, e.WorkspaceRemoved, e.LeaseRenewed, e.LeaseLeft),
    *(e.SessionHalted, e.BeginningKept, e.MailDelivered, e.NoticeDeferred, e.NoticeDelivered),
)
