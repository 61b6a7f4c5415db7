"""Events: what happened, in the past tense, stored for ever.

A field may be added with a default; none may change its meaning or go away.
"""

from functools import reduce
from operator import or_
from typing import Any, Literal

from msgspec import field

from leadhand.domain.call_events import AnswerUnfinished as AnswerUnfinished
from leadhand.domain.call_events import BoundExceeded as BoundExceeded
from leadhand.domain.call_events import CallAdmitted as CallAdmitted
from leadhand.domain.call_events import CallCut as CallCut
from leadhand.domain.call_events import CallDeferred as CallDeferred
from leadhand.domain.call_events import CallerDenied as CallerDenied
from leadhand.domain.call_events import CallHeld as CallHeld
from leadhand.domain.call_events import ConversationCompacted as ConversationCompacted
from leadhand.domain.call_events import Intent as Intent
from leadhand.domain.call_events import MailDelivered as MailDelivered
from leadhand.domain.call_events import RunParked as RunParked
from leadhand.domain.call_events import RunUnparked as RunUnparked
from leadhand.domain.call_events import ServerAsked as ServerAsked
from leadhand.domain.call_events import StartHeld as StartHeld
from leadhand.domain.call_events import ToolBegun as ToolBegun
from leadhand.domain.call_events import ToolLate as ToolLate
from leadhand.domain.call_events import ToolReturned as ToolReturned
from leadhand.domain.call_events import TurnLate as TurnLate
from leadhand.domain.call_events import TurnRecorded as TurnRecorded
from leadhand.domain.call_events import WindDownBegan as WindDownBegan
from leadhand.domain.contract import NOTHING, Contract, Verdict
from leadhand.domain.contract_events import BeginningKept as BeginningKept
from leadhand.domain.contract_events import ChecksRecorded as ChecksRecorded
from leadhand.domain.contract_events import DriftFound as DriftFound
from leadhand.domain.contract_events import OutcomeAsked as OutcomeAsked
from leadhand.domain.contract_events import OutcomeClaimed as OutcomeClaimed
from leadhand.domain.contract_events import OutcomeReported as OutcomeReported
from leadhand.domain.event import Event as Event
from leadhand.domain.ids import ActorId, CallId
from leadhand.domain.manifest import (
    HouseRules,
    Manifest,
    Settings,
)
from leadhand.domain.money import Price
from leadhand.domain.notice_events import ApprovalReminded as ApprovalReminded
from leadhand.domain.notice_events import NoticeDeferred as NoticeDeferred
from leadhand.domain.notice_events import NoticeDelivered as NoticeDelivered
from leadhand.domain.notice_events import NoticeDropped as NoticeDropped
from leadhand.domain.outcomes import Limit as Limit
from leadhand.domain.outcomes import Report as Report
from leadhand.domain.outcomes import ReportItem as ReportItem
from leadhand.domain.outcomes import Role as Role
from leadhand.domain.outcomes import RunStatus as RunStatus
from leadhand.domain.outcomes import Status as Status
from leadhand.domain.shared_events import EntryPut as EntryPut
from leadhand.domain.shared_events import LeaseExpired as LeaseExpired
from leadhand.domain.shared_events import LeaseGranted as LeaseGranted
from leadhand.domain.shared_events import LeaseLeft as LeaseLeft
from leadhand.domain.shared_events import LeaseReleased as LeaseReleased
from leadhand.domain.shared_events import LeaseRenewed as LeaseRenewed
from leadhand.domain.steer_events import ActorPaused as ActorPaused
from leadhand.domain.steer_events import ActorReprompted as ActorReprompted
from leadhand.domain.steer_events import ActorUnpaused as ActorUnpaused
from leadhand.domain.steer_events import ApprovalAnswered as ApprovalAnswered
from leadhand.domain.steer_events import ApprovalAsked as ApprovalAsked
from leadhand.domain.steer_events import ApprovalUsed as ApprovalUsed
from leadhand.domain.steer_events import PoliciesChanged as PoliciesChanged
from leadhand.domain.steer_events import SessionHalted as SessionHalted

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
    """A stint is over. final: the last words, whole. outcome: what its checks came to."""

    status: Status = "Success"
    error: str = ""
    final: str = ""
    outcome: Verdict = "unverified"


class ActorContinued(Event, frozen=True):
    """A settled actor begins another stint, with its whole conversation. settings: over its
    earlier ones. envelope, estimate: as for a spawn; the estimate counts from its first stint."""

    settings: Settings = Settings()
    slice: int = 0
    envelope: int | None = None
    estimate: int = 0


class ExitLate(Event, frozen=True):
    """A session ended after its actor had settled: nothing changes."""

    outcome: str = ""


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


# --- house


class HouseChanged(Event, frozen=True):
    """The operator changed the house rules for all that follows. raised: of what there is more
    now; a lead's time counts from here on."""

    house: HouseRules = HouseRules()
    raised: tuple[Limit, ...] = ()


# --- message


class MessageSent(Event, frozen=True):
    """A message waits for the actor's next call. number: counts the actor's messages. call: the
    tool call by which it was sent, if one was."""

    number: int = 0
    sender: str = ""
    kind: str = ""
    text: str = ""
    call: CallId = CallId("")


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
    turn would cost (nano-dollars). max_workers: of a sub-lead, at a time; read_down: whether its
    parent sees below it; env: what it hands down to those below. contract: what its result must
    be."""

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
    max_workers: int = 0
    read_down: bool = False
    env: dict[str, str] = field(default_factory=dict)
    contract: Contract = NOTHING


# --- task


class TaskHeld(Event, frozen=True):
    """There is no money for a task before another has settled."""

    task: str = ""
    why: str = ""


class TaskSkipped(Event, frozen=True):
    """A task will not run."""

    task: str = ""
    why: str = ""


# --- wait


class WaitOpened(Event, frozen=True):
    """An actor waits until (run_ms) at most: for others, for an entry (path, of a layer) to have at
    least min_version, or for a lease (its key), to hold it for ttl_secs."""

    call: CallId = CallId("")
    targets: tuple[ActorId, ...] = ()
    any: bool = False
    until: int = 0
    layer: ActorId = ActorId("")
    path: str = ""
    min_version: int = 0
    lease: str = ""
    ttl_secs: int = 0


# --- workspace


class WorkspaceChosen(Event, frozen=True):
    """A worktree is made next for the actor, in the run's folder. base: the commit it begins with;
    repository: git's own folder, whichever worktree that belongs to; inner: the place in it of the
    directory that it stands for, where that is not the top; notes: what it lacks of that."""

    branch: str = ""
    base: str = ""
    repository: str = ""
    inner: str = ""
    notes: tuple[str, ...] = ()


class WorkspaceMade(Event, frozen=True):
    """The worktree is there."""


class WorkspaceRemoved(Event, frozen=True):
    """A settled actor's worktree and branch are gone; others hold all that they held."""


class WorkspaceKept(Event, frozen=True):
    """A settled actor's worktree stays. last: it is not looked at again."""

    why: str = ""
    last: bool = False


# What a log is decoded as: every kind of event above.
AnyEvent: Any = reduce(or_, Event.__subclasses__())
