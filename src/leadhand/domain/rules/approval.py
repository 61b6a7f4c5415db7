"""Approval: a question to the operator, who answers in time, or is answered for.

Law: no question waits for ever: each has an instant at which its fallback answers.
"""

from collections.abc import Iterator

from leadhand.domain import commands as c
from leadhand.domain import effects as fx
from leadhand.domain import events as e
from leadhand.domain.clock import At, Now
from leadhand.domain.ids import ActorId, CallId, parent_id
from leadhand.domain.manifest import ApprovalPolicy
from leadhand.domain.rules import policy
from leadhand.domain.state import Actor, Answer, Approval, Run
from leadhand.domain.text import one_line
from leadhand.refusals import (
    AlreadyAnswered,
    PlanApprovalRequired,
    Settled,
    TooManyQuestions,
    UnknownApproval,
)

# Questions of one actor that wait at the same time.
WAITING_MAX = 100
COMMENT_MAX = 4_000
RESOURCES_MAX = 200


def ask(run: Run, command: c.AskApproval, now: Now) -> list[e.Event]:
    """Ask, and answer where a policy does; a call asks once, however often it comes.

    Raises Settled, TooManyQuestions.
    """
    actor = run.actors.get(command.actor)
    if actor is None:
        raise Settled(f"{command.actor} has settled")
    if command.call in actor.approvals:
        return []
    if len(actor.approvals) >= WAITING_MAX:
        raise TooManyQuestions()
    assert run.manifest is not None
    rule = policy.judged(run, actor, command.question)
    rule = rule or ApprovalPolicy(run.manifest.approvals.default)
    ttl_secs = command.ttl_secs if command.ttl_secs is not None else rule.ttl_secs
    name = f"A{run.asked + 1}"
    asked = e.ApprovalAsked(
        actor.id,
        approval=name,
        call=command.call,
        question=command.question,
        summary=command.summary,
        details=command.details,
        resources=command.resources[:RESOURCES_MAX],
        until=now.run_ms + ttl_secs * 1000,
        fallback=command.fallback or rule.fallback,
    )
    if rule.action == "block":
        return [asked]
    approved = rule.action == "auto_approve"
    return [asked, answered(actor, name, command.call, approved, rule.reason, by="policy")]


def answer(run: Run, command: c.AnswerApproval, now: Now) -> list[e.Event]:
    """The operator's answer to a question that waits. Raises UnknownApproval, AlreadyAnswered."""
    actor, found = waiting(run, command.approval)
    edited = one_line(command.edited_summary, COMMENT_MAX) if command.approved else ""
    return [
        answered(actor, found.id, found.call, command.approved, command.comment, command.by, edited)
    ]


def expire(run: Run, command: c.ExpireApproval, now: Now) -> list[e.Event]:
    """Answer by the fallback what nobody has answered; with no, where its actor's time is up."""
    if command.approval not in run.questions:
        return []
    actor, found = waiting(run, command.approval)
    if not is_over(actor, found, now):
        return []
    approved = found.fallback == "auto_approve" and not actor.final
    why = "your own time is up" if actor.final else "nobody answered in time"
    return [answered(actor, found.id, found.call, approved, why, by="ttl")]


def is_over(actor: Actor, asked: Approval, now: Now) -> bool:
    """Whether a question waits no longer: its time, which stands still while its actor is paused,
    is up, or its actor has only its last answer left."""
    return actor.final or (actor.paused is None and now.run_ms >= asked.until)


def use(run: Run, command: c.UseApproval, now: Now) -> list[e.Event]:
    """Note that what was approved begins. Raises Settled."""
    actor = run.actors.get(command.actor)
    found = actor.approvals.get(command.call) if actor else None
    if actor is None or found is None or found.answer is None or not found.answer.approved:
        raise Settled("nothing was approved for this call")
    return [] if found.used else [e.ApprovalUsed(actor.id, approval=found.id, call=found.call)]


def answered(
    actor: Actor, name: str, call: str, approved: bool, comment: str, by: str, edited: str = ""
) -> e.ApprovalAnswered:
    """The event of an answer."""
    return e.ApprovalAnswered(
        actor.id,
        approval=name,
        call=CallId(call),
        approved=approved,
        comment=comment[:COMMENT_MAX],
        edited_summary=edited,
        by=by,
    )


def waiting(run: Run, name: str) -> tuple[Actor, Approval]:
    """A question that has no answer, and who asked it. Raises UnknownApproval, AlreadyAnswered."""
    place = run.questions.get(name)
    if place is None:
        number = name[1:10]
        if number.isdecimal() and 0 < int(number) <= run.asked and name == f"A{int(number)}":
            raise AlreadyAnswered(
                f"{name} is not waiting: it was answered, or its actor was ended or reprompted"
            )
        raise UnknownApproval(f"there is no question {one_line(name, 40)} in this run")
    actor = run.actors[place[0]]
    return actor, actor.approvals[place[1]]


def check_plan(run: Run, parent: Actor) -> None:
    """Refuse a spawn before a plan was approved, where the operator wants one. Raises
    PlanApprovalRequired."""
    assert run.manifest is not None
    if run.manifest.approvals.plan_required and parent.role == "lead" and parent.plan is None:
        raise PlanApprovalRequired()


def plan_of(run: Run, actor_id: ActorId) -> tuple[ActorId, tuple[str, ...]] | None:
    """The approved plan that an actor may not write beside, and whose it is: its own, or that of
    the nearest lead above it; None where there is none, or it names no paths."""
    at: ActorId | None = actor_id
    while at is not None:
        one = run.actors.get(at) or run.records.get(at)
        if one is not None and one.plan:
            return at, one.plan
        at = parent_id(at)
    return None


def settling(actor: Actor, status: e.Status) -> e.Status:
    """How an actor that failed is said to have failed whose last question was denied."""
    if status != "Failed" or not actor.denied:
        return status
    return "ApprovalTimedOut" if actor.denied == "ttl" else "ApprovalRejected"


def evolve_asked(run: Run, event: e.ApprovalAsked, at: At) -> None:
    """Keep the question, but not its details, which are in the log."""
    run.asked += 1
    run.questions[event.approval] = (event.actor, event.call)
    run.actors[event.actor].approvals[event.call] = Approval(
        id=event.approval,
        actor=event.actor,
        call=event.call,
        category=event.question.category,
        tool=event.question.tool,
        digest=event.question.digest,
        summary=one_line(event.summary),
        asked_seq=at.seq,
        since=at.now.run_ms,
        until=event.until,
        fallback=event.fallback,
        resources=event.resources,
    )


def evolve_answered(run: Run, event: e.ApprovalAnswered, at: At) -> None:
    """Keep the answer until the call that asked has returned."""
    del run.questions[event.approval]
    actor = run.actors[event.actor]
    found = actor.approvals[event.call]
    comment = one_line(event.comment, 500)
    found.answer = Answer(event.approved, event.by, comment, event.edited_summary)
    actor.denied = "" if event.approved else event.by
    if event.approved and found.category == "plan":
        actor.plan = found.resources


def evolve_used(run: Run, event: e.ApprovalUsed, at: At) -> None:
    """What was approved is approved once."""
    run.actors[event.actor].approvals[event.call].used = True


def evolve_returned(run: Run, event: e.ToolReturned, at: At) -> None:
    """The call that asked is over, with its question."""
    found = run.actors[event.actor].approvals.pop(event.call, None)
    if found is not None:
        run.questions.pop(found.id, None)


def evolve_settled(run: Run, event: e.ActorSettled, at: At) -> None:
    """Nobody waits for the answer any more."""
    for found in run.actors[event.actor].approvals.values():
        run.questions.pop(found.id, None)


def open_questions(actor: Actor) -> Iterator[Approval]:
    """What an actor waits for an answer to."""
    return (each for each in actor.approvals.values() if each.answer is None)


def due(run: Run, actor: Actor, now: Now) -> Iterator[fx.Effect]:
    """Answer by the fallback what has waited long enough."""
    for each in open_questions(actor):
        if is_over(actor, each, now):
            yield fx.Submit(c.ExpireApproval(each.id))


def timers(actor: Actor) -> Iterator[int]:
    """When `due` may change by time alone."""
    return (each.until for each in open_questions(actor) if actor.paused is None)
