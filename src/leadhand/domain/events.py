"""Events: what happened, in the past tense, stored for ever.

A field may be added with a default; none may change its meaning or go away.
"""

from functools import reduce
from operator import or_
from typing import Any, Literal

from msgspec import Struct

from leadhand.domain.ids import ActorId, CallId
from leadhand.domain.manifest import HouseRules, Manifest, Settings
from leadhand.domain.money import Price, Usage
from leadhand.domain.outcomes import Limit as Limit
from leadhand.domain.outcomes import Report as Report
from leadhand.domain.outcomes import ReportItem as ReportItem
from leadhand.domain.outcomes import Role as Role
from leadhand.domain.outcomes import RunStatus as RunStatus
from leadhand.domain.outcomes import Status as Status


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


# --- answer


class AnswerUnfinished(Event, frozen=True):
    """An answer was cut at its length, or empty; the actor was asked to go on."""

    why: str = ""


# --- budget


class CallAdmitted(Event, frozen=True):
    """Money was set aside and the call may leave. messages: numbers of those it delivers.
    final: the actor's last call, which may use no tools. compacts: it is to summarize the
    conversation, and is no turn."""

    call: CallId = CallId("")
    model: str = ""
    bound: int = 0
    input_bound: int = 0
    output_max: int = 0
    messages: tuple[int, ...] = ()
    final: bool = False
    compacts: bool = False


class CallDeferred(Event, frozen=True):
    """The call waits until money is free, workers have settled or the run goes on. until:
    run_ms."""

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


# --- compaction


class ConversationCompacted(Event, frozen=True):
    """The conversation goes on from a summary; the whole stays in the log and in the archive. An
    empty summary has cost and changed nothing. saved, slice: as for a turn. context: what is now
    read of it at most (tokens). results_max: characters that are kept of each result that the
    model has not read yet; 0 for all."""

    call: CallId = CallId("")
    summary: str = ""
    archive: str = ""
    usage: Usage = Usage()
    cost: int = 0
    saved: int = 0
    slice: int = 0
    context: int = 0
    results_max: int = 0


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


# --- house


class HouseChanged(Event, frozen=True):
    """The operator changed the house rules for all that follows. raised: of what there is more
    now; a lead's time counts from here on."""

    house: HouseRules = HouseRules()
    raised: tuple[Limit, ...] = ()


# --- message


class MessageSent(Event, frozen=True):
    """A message waits for the actor's next call. number: counts the actor's messages."""

    number: int = 0
    sender: str = ""
    kind: str = ""
    text: str = ""


# --- pace


class CallHeld(Event, frozen=True):
    """An admitted call waits for its provider before it leaves. until: run_ms."""

    call: CallId = CallId("")
    why: str = ""
    until: int = 0


class RunParked(Event, frozen=True):
    """A provider's quota is used up: no call leaves, and the run's time stands still. until: when
    it goes on by itself (wall clock, milliseconds); 0 where nobody knows, so that its owner lets
    go of it."""

    model: str = ""
    why: str = ""
    until: int = 0


class RunUnparked(Event, frozen=True):
    """The run goes on."""


# --- paths


class PathsMapped(Event, frozen=True):
    """What an actor's settings name by a path that begins with the first of a pair lies under the
    second now; without an actor, what the manifest names."""

    pairs: tuple[tuple[str, str], ...] = ()


# --- report


class ReportAsked(Event, frozen=True):
    """A lead ended without a report and was asked for one."""


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
    """A run that was drained, or that there is more money or time for now, was taken up again: its
    lead begins another stint."""


class RunFinished(Event, frozen=True):
    """Every actor has settled."""

    status: RunStatus = "succeeded"


# --- spawn


class ActorSpawned(Event, frozen=True):
    """An actor exists. task: which one it works on, in a run without a lead. envelope: its own
    limit; estimate: else what is held for it.

    price: its model's, kept here so that no later table changes the log. slice: what its report
    turn would cost (nano-dollars)."""

    parent: ActorId = ActorId("")
    role: Role = "worker"
    task: str = ""
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


# --- task


class TaskHeld(Event, frozen=True):
    """There is no money for a task before another has settled."""

    task: str = ""
    why: str = ""


class TaskSkipped(Event, frozen=True):
    """A task will not run."""

    task: str = ""
    why: str = ""


# --- turn


class Intent(Struct, frozen=True, omit_defaults=True):
    """A tool call that a turn asks for. step: what it does, for people."""

    call: CallId
    tool: str
    effect: Literal["reads", "effects", "keyed"] = "effects"
    step: str = ""


class TurnRecorded(Event, frozen=True):
    """The model answered, and its call was settled at this cost. slice: what the actor's report
    turn would cost now. saved: what it would have cost more without a cache (nano-dollars)."""

    call: CallId = CallId("")
    answer: str = ""
    usage: Usage = Usage()
    cost: int = 0
    saved: int = 0
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


# What a log is decoded as: every kind of event above.
AnyEvent: Any = reduce(or_, Event.__subclasses__())
