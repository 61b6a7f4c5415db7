"""Asking: what simulated operators are asked and answer, and what a log must show of it."""

from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.manifest import ApprovalPolicy, Approvals, PolicyAction
from leadhand.engine.inbox import Mailable

Call = tuple[str, dict[str, Any]]

# What policies are about; what names nothing fits everything.
TOOLS = (
    "Note",
    "Note",
    "report",
    "kv_*",
    "lease_*",
    "wait_*",
    "spawn_*",
    "spawn_worker",
    "*_worker",
    "request_approval",
    "*",
    "",
)
ACTIONS: tuple[PolicyAction, ...] = ("block", "block", "block", "auto_approve", "auto_reject")


def dice_of(seed: int) -> Random:
    """Dice of their own, so that what else a seed means stays as it was."""
    return Random(f"approvals:{seed}")


def asks(seed: int) -> bool:
    """Whether anything is asked in the run of a seed."""
    return dice_of(seed).random() < 0.5


def approvals_of(dice: Random) -> Approvals:
    """What an operator wants to be asked, some of it of nobody in particular."""
    return Approvals(policies_of(dice), dice.choice(ACTIONS), plan_required=dice.random() < 0.15)


def policies_of(dice: Random) -> tuple[ApprovalPolicy, ...]:
    """Policies that ask, let through or forbid."""
    return tuple(
        ApprovalPolicy(
            dice.choice(ACTIONS),
            tool=dice.choice(TOOLS),
            actor=dice.choice(("", "", "root/*", "root/W1")),
            role=dice.choice((None, None, None, "worker", "lead")),
            category=dice.choice((None, None, "tool_use", "plan", "cost")),
            ttl_secs=dice.choice((1, 10, 60, 600)),
            fallback=dice.choice(("auto_reject", "auto_approve")),
        )
        for _ in range(dice.choice((0, 1, 1, 2)))
    )


def letters(dice: Random, limit: int) -> Iterator[tuple[int, Mailable]]:
    """When (run_ms) the operator answers what, asked or not and at times twice, or changes the
    policies."""
    for _ in range(dice.choice((0, 2, 4, 8))):
        at = int(dice.random() * min(limit, dice.choice((2_000, 20_000, 200_000))))
        if dice.random() < 0.15:
            yield at, c.ChangePolicies(policies_of(dice), dice.choice(ACTIONS))
            continue
        name = dice.choice(("A1", "A1", "A2", "A2", "A3", "A4", "A5", "A77", "W1"))
        answer = c.AnswerApproval(name, dice.random() < 0.7, comment=dice.choice(("", "So be it.")))
        yield at, answer
        if dice.random() < 0.2:
            yield at + dice.choice((0, 500)), answer


def calls(dice: Random, lead: bool) -> tuple[Call, ...]:
    """What an actor asks the operator in one turn: mostly nothing."""
    if dice.random() > 0.25:
        return ()
    if lead and dice.random() < 0.5:
        return (("propose_plan", {"plan": {"summary": "All of it."}}),)
    args: dict[str, Any] = {"summary": "May I?"}
    if dice.random() < 0.4:
        args["ttl_secs"] = dice.choice((1, 20, 300))
    if dice.random() < 0.2:
        args["cost_estimate"] = dice.choice((0.5, 3.0))
    if dice.random() < 0.2:
        args["fallback"] = dice.choice(("auto_reject", "auto_approve"))
    return (("request_approval", args),)


def of_questions(events: list[e.Event], notings: Iterable[tuple[str, int]]) -> Iterator[str]:
    """Faults of the questions of a finished run's log: a call asks once, a question has one answer,
    and what was asked about begins once it is approved. notings: which calls began, and how long
    the log was then."""
    asked: dict[str, str] = {}
    answers: dict[str, bool] = {}
    used: dict[str, int] = {}
    names: set[str] = set()
    for seq, event in enumerate(events, 1):
        match event:
            case e.ApprovalAsked():
                if event.call in asked or event.approval in names:
                    yield f"{event.call}: asked twice"
                asked[event.call] = event.approval
                names.add(event.approval)
            case e.ApprovalAnswered():
                if event.call in answers:
                    yield f"{event.approval}: was answered twice"
                answers[event.call] = event.approved
            case e.ApprovalUsed():
                if not answers.get(event.call) or event.call in used:
                    yield f"{event.approval}: was used without an approval, or twice"
                used[event.call] = seq
            case _:
                pass
    for call, seq in notings:
        if call in asked and used.get(call, seq + 1) > seq:
            yield f"{call}: began before it was approved"
