"""Events of steering: questions and their answers, pauses, and policies."""

from typing import Literal

from leadhand.domain.event import Event
from leadhand.domain.ids import CallId
from leadhand.domain.manifest import ApprovalFallback, ApprovalPolicy, PolicyAction
from leadhand.domain.questions import Question

# --- approval


class ApprovalAsked(Event, frozen=True):
    """The operator was asked. approval: its id in this run. details: what is asked for, as JSON.
    until: run_ms, when the fallback answers. resources: globs of what a plan writes."""

    approval: str = ""
    call: CallId = CallId("")
    question: Question = Question("tool_use")
    summary: str = ""
    details: str = ""
    until: int = 0
    fallback: ApprovalFallback = "auto_reject"
    resources: tuple[str, ...] = ()


class ApprovalAnswered(Event, frozen=True):
    """A question has its answer. by: the operator, `policy`, or `ttl` where nobody answered."""

    approval: str = ""
    call: CallId = CallId("")
    approved: bool = False
    comment: str = ""
    edited_summary: str = ""
    by: str = ""


class ApprovalUsed(Event, frozen=True):
    """What was approved began."""

    approval: str = ""
    call: CallId = CallId("")


# --- pause


class ActorPaused(Event, frozen=True):
    """An actor takes no further step. cancel: its session is stopped; freeze: it stands still."""

    mode: Literal["cancel", "freeze"] = "cancel"
    by: str = ""
    reason: str = ""


class ActorUnpaused(Event, frozen=True):
    """A paused actor goes on. call: the tool call that asked for it, if one did."""

    by: str = ""
    call: CallId = CallId("")


class ActorReprompted(Event, frozen=True):
    """An actor's turn was interrupted, for a message that it reads next."""

    by: str = ""


class SessionHalted(Event, frozen=True):
    """The session of a paused or reprompted actor is stopped."""


# --- policy


class PoliciesChanged(Event, frozen=True):
    """Other policies hold from now on."""

    policies: tuple[ApprovalPolicy, ...] = ()
    default: PolicyAction = "block"
    by: str = ""
