"""Events: what happened, in the past tense, stored for ever.

A field may be added with a default; none may change its meaning or go away.
"""

from typing import Literal

from msgspec import Struct

from leadhand.domain.ids import ActorId, CallId
from leadhand.domain.manifest import Manifest, Settings
from leadhand.domain.money import Price, Usage

Status = Literal["Success", "Failed", "TimedOut", "Cancelled", "SpawnFailed", "BudgetExceeded"]
RunStatus = Literal["running", "succeeded", "partial", "failed", "timed_out", "cancelled"]


class Event(Struct, frozen=True, tag=True, omit_defaults=True):
    """Something that happened. actor: whom it concerns; empty for the run as a whole."""

    actor: ActorId = ActorId("")


# --- actor


class ActorEnding(Event, frozen=True):
    """An actor was told to end; it will settle with this status."""

    status: Status = "Cancelled"
    reason: str = ""
    by: str = ""


class SessionCrashed(Event, frozen=True):
    """An actor's harness broke; it is started again, or the actor fails."""

    error: str = ""
    retry_at: int = 0


class ActorSettled(Event, frozen=True):
    """A stint is over. final: the last words, whole."""

    status: Status = "Success"
    error: str = ""
    final: str = ""


class ActorContinued(Event, frozen=True):
    """A settled actor begins another stint, with its whole conversation."""

    settings: Settings = Settings()
    slice: int = 0


class ExitLate(Event, frozen=True):
    """A session ended after its actor had settled: nothing changes."""

    outcome: str = ""


# --- budget


class CallAdmitted(Event, frozen=True):
    """Money was set aside and the call may leave. messages: numbers of those it delivers.
    final: the actor's last call, without tools."""

    call: CallId = CallId("")
    model: str = ""
    bound: int = 0
    input_bound: int = 0
    output_max: int = 0
    messages: tuple[int, ...] = ()
    final: bool = False


class CallDeferred(Event, frozen=True):
    """The call waits until money is free or workers have settled. until: run_ms."""

    call: CallId = CallId("")
    needed: int = 0
    why: str = ""
    until: int = 0


class CallCut(Event, frozen=True):
    """A call was settled without an answer. charged: what counts as spent (nano-dollars)."""

    call: CallId = CallId("")
    charged: int = 0
    why: str = ""


class BoundExceeded(Event, frozen=True):
    """An answer cost more than its bound; the model's overhead (tokens) was raised."""

    model: str = ""
    excess: int = 0
    overhead: int = 0


class WindDownBegan(Event, frozen=True):
    """An actor was told to finish. final: only its last call is left."""

    why: str = ""
    final: bool = False


# --- caps


class SpawnRefused(Event, frozen=True):
    """A spawn was refused."""

    code: str = ""


# --- deadline


class DeadlineNeared(Event, frozen=True):
    """An actor's time is nearly up."""


class ActorExpired(Event, frozen=True):
    """A lead's time is up: it has one call left, and ends at stop_at (run_ms) at the latest."""

    stop_at: int = 0


class WrapUpAsked(Event, frozen=True):
    """An actor shall finish by stop_at (run_ms), or is ended."""

    why: str = ""
    stop_at: int = 0


# --- message


class MessageSent(Event, frozen=True):
    """A message waits for the actor's next call. number: counts the actor's messages."""

    number: int = 0
    sender: str = ""
    kind: str = ""
    text: str = ""


# --- report


class ReportAsked(Event, frozen=True):
    """A lead ended without a report and was asked for one."""


class ReportItem(Struct, frozen=True, omit_defaults=True):
    """One bullet of a report; fields that it does not have stay empty."""

    worker_id: str = ""
    input: str = ""
    result: str = ""
    reason: str = ""
    usd: float | None = None


class Report(Struct, frozen=True, omit_defaults=True):
    """A lead's final report."""

    status: Literal["success", "partial", "failed"]
    completed: tuple[ReportItem, ...] = ()
    deferred_or_failed: tuple[ReportItem, ...] = ()
    cost_summary: tuple[ReportItem, ...] = ()
    trailing_text: str = ""


class ReportChecked(Event, frozen=True):
    """A report was compared with the log. by: `lead`, or `runtime` which then wrote it."""

    by: Literal["lead", "runtime"] = "lead"
    report: Report = Report("failed")
    mismatches: tuple[str, ...] = ()


# --- run


class RunStarted(Event, frozen=True):
    """A run began."""

    run_id: str = ""
    manifest: Manifest | None = None


class RunOwned(Event, frozen=True):
    """A process took the run. acts: whether it performs effects."""

    epoch: int = 0
    who: str = ""
    acts: bool = True


class RunDraining(Event, frozen=True):
    """Nothing new starts. until: end of the grace period (run_ms)."""

    by: str = ""
    until: int = 0


class RunCancelled(Event, frozen=True):
    """The operator ended the run."""

    reason: str = ""
    by: str = ""


class RunReopened(Event, frozen=True):
    """A drained run was taken up again: its lead begins another stint."""


class RunFinished(Event, frozen=True):
    """Every actor has settled."""

    status: RunStatus = "succeeded"


# --- spawn


class ActorSpawned(Event, frozen=True):
    """An actor exists. envelope: its own limit; estimate: else what is held for it.

    price: its model's, kept here so that no later table changes the log. slice: what its report
    turn would cost (nano-dollars)."""

    parent: ActorId = ActorId("")
    role: Literal["lead", "sublead", "worker"] = "worker"
    call: CallId = CallId("")
    key: str = ""
    label: str = ""
    agent: str = ""
    prompt: str = ""
    settings: Settings = Settings()
    price: Price = Price()
    slice: int = 0
    envelope: int | None = None
    estimate: int = 0


# --- turn


class Intent(Struct, frozen=True, omit_defaults=True):
    """A tool call that a turn asks for. step: what it does, for people."""

    call: CallId
    tool: str
    effect: Literal["reads", "effects", "keyed"] = "effects"
    step: str = ""


class TurnRecorded(Event, frozen=True):
    """The model answered, and its call was settled at this cost. slice: what the actor's report
    turn would cost now (nano-dollars)."""

    call: CallId = CallId("")
    answer: str = ""
    usage: Usage = Usage()
    cost: int = 0
    slice: int = 0
    stop_reason: str = ""
    intents: tuple[Intent, ...] = ()
    words: str = ""


class TurnLate(Event, frozen=True):
    """An answer came after its call was settled. booked: what it cost beyond that."""

    call: CallId = CallId("")
    cost: int = 0
    booked: int = 0


class ToolReturned(Event, frozen=True):
    """A tool call is over."""

    call: CallId = CallId("")
    content: str = ""
    is_error: bool = False


class ToolLate(Event, frozen=True):
    """A tool returned after its actor had moved on: nothing changes."""

    call: CallId = CallId("")


# --- wait


class WaitOpened(Event, frozen=True):
    """An actor waits for others, until (run_ms) at most."""

    call: CallId = CallId("")
    targets: tuple[ActorId, ...] = ()
    any: bool = False
    until: int = 0


AnyEvent = (
    ActorEnding
    | SessionCrashed
    | ActorSettled
    | ActorContinued
    | ExitLate
    | CallAdmitted
    | CallDeferred
    | CallCut
    | BoundExceeded
    | WindDownBegan
    | SpawnRefused
    | DeadlineNeared
    | ActorExpired
    | WrapUpAsked
    | MessageSent
    | ReportAsked
    | ReportChecked
    | RunStarted
    | RunOwned
    | RunDraining
    | RunCancelled
    | RunReopened
    | RunFinished
    | ActorSpawned
    | TurnRecorded
    | TurnLate
    | ToolReturned
    | ToolLate
    | WaitOpened
)
