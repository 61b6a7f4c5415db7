"""Steer commands: how operators and leads direct actors, and answer what those ask.

A part of `commands`, by which they are known.
"""

from typing import Literal

from msgspec import Struct

from leadhand.domain.ids import ActorId, CallId
from leadhand.domain.manifest import ApprovalFallback
from leadhand.domain.questions import Question

# --- approval


class AskApproval(Struct, frozen=True, tag=True):
    """Ask the operator. details: what is asked for, as JSON. resources: globs of what a plan
    writes."""

    actor: ActorId
    call: CallId
    question: Question
    summary: str
    details: str = ""
    ttl_secs: int | None = None
    fallback: ApprovalFallback | None = None
    resources: tuple[str, ...] = ()


class AnswerApproval(Struct, frozen=True, tag=True):
    """The operator's answer. comment: for the actor, with either answer. edited_summary: what is
    approved instead of what was asked."""

    approval: str
    approved: bool
    comment: str = ""
    edited_summary: str = ""
    by: str = "operator"


class ExpireApproval(Struct, frozen=True, tag=True):
    """Nobody has answered in time."""

    approval: str


class UseApproval(Struct, frozen=True, tag=True):
    """What was approved happens next; it is not asked about again, and not repeated."""

    actor: ActorId
    call: CallId


# --- steer


class PauseActor(Struct, frozen=True, tag=True):
    """Let an actor take no further step until it is continued. cancel: its session is stopped;
    freeze: it and its commands stand still. subtree: all below it as well."""

    actor: ActorId
    mode: Literal["cancel", "freeze"] = "cancel"
    reason: str = ""
    subtree: bool = False
    by: str = "operator"


class ContinueActor(Struct, frozen=True, tag=True):
    """Let a paused actor go on; or a settled one, with its whole conversation. prompt: what it is
    told. call: the tool call that asks, if one does."""

    actor: ActorId
    prompt: str = ""
    subtree: bool = False
    by: str = "operator"
    call: CallId = CallId("")


class RepromptActor(Struct, frozen=True, tag=True):
    """Interrupt an actor's turn now; it goes on with this prompt."""

    actor: ActorId
    prompt: str
    by: str = "operator"
    call: CallId = CallId("")


class SendMessage(Struct, frozen=True, tag=True):
    """Leave a message that an actor reads with its next call."""

    actor: ActorId
    text: str
    subtree: bool = False
    by: str = "operator"
    call: CallId = CallId("")


class RecordHalted(Struct, frozen=True, tag=True):
    """No session of an actor runs that was to be stopped."""

    actor: ActorId
