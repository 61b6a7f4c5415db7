"""Commands: what may be asked of a run, in the imperative.

Record... commands tell what the world did; no rule refuses them.
"""

from typing import Literal

from msgspec import Struct

from leadhand.domain.contract import NOTHING, Contract, Delivery, Evidence
from leadhand.domain.events import Intent
from leadhand.domain.ids import ActorId, CallId
from leadhand.domain.manifest import (
    Settings,
)
from leadhand.domain.money import Usage
from leadhand.domain.run_commands import CancelRun as CancelRun
from leadhand.domain.run_commands import CancelWorkers as CancelWorkers
from leadhand.domain.run_commands import ChangeHouse as ChangeHouse
from leadhand.domain.run_commands import ChangePolicies as ChangePolicies
from leadhand.domain.run_commands import DrainRun as DrainRun
from leadhand.domain.run_commands import FinishRun as FinishRun
from leadhand.domain.run_commands import MapPaths as MapPaths
from leadhand.domain.run_commands import OwnRun as OwnRun
from leadhand.domain.run_commands import RecordDelivered as RecordDelivered
from leadhand.domain.run_commands import RecordHold as RecordHold
from leadhand.domain.run_commands import RecordServer as RecordServer
from leadhand.domain.run_commands import RecordStartHeld as RecordStartHeld
from leadhand.domain.run_commands import RecordUndelivered as RecordUndelivered
from leadhand.domain.run_commands import RemindApproval as RemindApproval
from leadhand.domain.run_commands import ReopenRun as ReopenRun
from leadhand.domain.run_commands import SkipTasks as SkipTasks
from leadhand.domain.run_commands import StartRun as StartRun
from leadhand.domain.run_commands import StartTask as StartTask
from leadhand.domain.run_commands import UnparkRun as UnparkRun
from leadhand.domain.shared_commands import AcquireLease as AcquireLease
from leadhand.domain.shared_commands import AwaitEntry as AwaitEntry
from leadhand.domain.shared_commands import ExpireLease as ExpireLease
from leadhand.domain.shared_commands import GrantLease as GrantLease
from leadhand.domain.shared_commands import LeaveLease as LeaveLease
from leadhand.domain.shared_commands import PutEntry as PutEntry
from leadhand.domain.shared_commands import ReleaseLease as ReleaseLease
from leadhand.domain.steer_commands import AnswerApproval as AnswerApproval
from leadhand.domain.steer_commands import AskApproval as AskApproval
from leadhand.domain.steer_commands import ContinueActor as ContinueActor
from leadhand.domain.steer_commands import ExpireApproval as ExpireApproval
from leadhand.domain.steer_commands import PauseActor as PauseActor
from leadhand.domain.steer_commands import RecordHalted as RecordHalted
from leadhand.domain.steer_commands import RepromptActor as RepromptActor
from leadhand.domain.steer_commands import SendMessage as SendMessage
from leadhand.domain.steer_commands import UseApproval as UseApproval

# What a session came to; or what its last answer was: cut at its length, empty, refused by the
# model. unplaced: there is no workspace for it, so that it never began.
Outcome = Literal["completed", "failed", "budget", "stopped", "cut", "empty", "refused", "unplaced"]

# --- actor


class CancelActor(Struct, frozen=True, tag=True):
    """End an actor and all below it, deepest first. by: an actor's id, or `operator`."""

    actor: ActorId
    reason: str
    by: str = "operator"


class RecordExit(Struct, frozen=True, tag=True):
    """The session is over. final: its last words, whole. error: why it did not complete."""

    actor: ActorId
    outcome: Outcome
    final: str = ""
    error: str = ""


class RecordCrash(Struct, frozen=True, tag=True):
    """The session's harness broke, not its work; it may be started again."""

    actor: ActorId
    error: str


# --- budget


class AdmitCall(Struct, frozen=True, tag=True):
    """Let one model call out. new_bytes: UTF-8 bytes, in their longest form, of all that the model
    has not yet read, beside the messages that this admission delivers. results: of the tools that
    returned. counted: tokens of the whole request as the provider counts them, 0 where it cannot;
    None where it was not asked. compact: the conversation is longer than the model can read.

    outside: a session outside this process asks, which is given its mail by others; only a last
    call delivers some. whole: new_bytes are those of the whole request. model: another one than
    the actor's. asked: the most tokens that the answer is to have; 0 where that is not said."""

    actor: ActorId
    call: CallId
    new_bytes: int
    results: tuple["RecordToolResult", ...] = ()
    counted: int | None = None
    compact: bool = False
    outside: bool = False
    whole: bool = False
    model: str = ""
    asked: int = 0


# --- compaction


class RecordCompaction(Struct, frozen=True, tag=True):
    """The model has summarized the conversation; an empty summary changes nothing. archive: where
    the whole can be read. kept_bytes: UTF-8 bytes of all that the model reads of it from now on,
    without pending results. brief: the model could not read all of it."""

    actor: ActorId
    call: CallId
    summary: str
    usage: Usage
    archive: str = ""
    kept_bytes: int = 0
    brief: bool = False


# --- contract


class RecordDrift(Struct, frozen=True, tag=True):
    """After this tool call, files are changed that the actor does not claim."""

    actor: ActorId
    call: CallId
    paths: tuple[str, ...]


class RecordBeginning(Struct, frozen=True, tag=True):
    """How the files begin that an actor must change; see `events.BeginningKept`."""

    actor: ActorId
    digests: tuple[tuple[str, str], ...] = ()


class RecordOutcome(Struct, frozen=True, tag=True):
    """A worker has reported how its work ended."""

    actor: ActorId
    call: CallId
    delivery: Delivery


class RecordChecks(Struct, frozen=True, tag=True):
    """A worker's claim has been checked. final: its last words, whole. delivery: what its status
    file says, where there is one."""

    actor: ActorId
    evidence: tuple[Evidence, ...]
    final: str = ""
    delivery: Delivery | None = None


# --- deadline


class WarnActor(Struct, frozen=True, tag=True):
    """Tell an actor that its time is nearly up."""

    actor: ActorId


class ExpireActor(Struct, frozen=True, tag=True):
    """An actor's time is up."""

    actor: ActorId


class WrapUpActor(Struct, frozen=True, tag=True):
    """Ask an actor whose lead has ended to finish; after the grace period it is cancelled."""

    actor: ActorId


# --- outside


class BeginTool(Struct, frozen=True, tag=True):
    """A session outside this process calls a tool."""

    actor: ActorId
    intent: Intent


class DeliverMail(Struct, frozen=True, tag=True):
    """Messages went out with the result of a tool call, by their numbers."""

    actor: ActorId
    messages: tuple[int, ...]


class RecordDenial(Struct, frozen=True, tag=True):
    """A caller was turned away. actor: whose token it showed; empty where it showed none that is
    known."""

    actor: ActorId
    tool: str
    why: str


# --- spawn


class SpawnActor(Struct, frozen=True, tag=True):
    """Start a worker. key: makes a repeated call give the same worker. settings: what the call
    itself sets; directory and add_dirs are absolute and resolved."""

    parent: ActorId
    call: CallId
    prompt: str
    key: str = ""
    agent: str = ""
    label: str = ""
    settings: Settings = Settings()
    contract: Contract = NOTHING


# --- sublead


class Reference(Struct, frozen=True):
    """An entry under `/ref/` that a sub-lead finds when it begins; as in `PutEntry`."""

    path: str
    value: str = ""
    blob: str = ""
    size: int = 0


class SpawnSublead(Struct, frozen=True, tag=True):
    """Start a lead below a lead, with an envelope and a cap of its own. What is left out is as
    the manifest has it for sub-leads; timeout_secs of the settings: of itself. references: what
    its layer holds from the beginning."""

    parent: ActorId
    call: CallId
    prompt: str
    key: str = ""
    label: str = ""
    max_workers: int | None = None
    read_down: bool | None = None
    settings: Settings = Settings()
    references: tuple[Reference, ...] = ()


# --- turn


class RecordTurn(Struct, frozen=True, tag=True):
    """The model has answered. answer: its blocks as JSON. words: its text without tool calls."""

    actor: ActorId
    call: CallId
    answer: str
    usage: Usage
    stop_reason: str
    intents: tuple[Intent, ...] = ()
    words: str = ""


class RecordCut(Struct, frozen=True, tag=True):
    """A call ended without an answer. billed: whether it may have been charged. quota: the
    provider gives nothing more until resets_at (wall clock, milliseconds; 0 where unknown)."""

    actor: ActorId
    call: CallId
    why: str
    billed: bool = True
    quota: bool = False
    resets_at: int = 0


class RecordToolResult(Struct, frozen=True, tag=True):
    """A tool has returned."""

    actor: ActorId
    call: CallId
    content: str
    is_error: bool = False


# --- wait


class OpenWait(Struct, frozen=True, tag=True):
    """Wait until one (any) or all of the targets have settled, for at most timeout_secs."""

    actor: ActorId
    call: CallId
    targets: tuple[ActorId, ...]
    any: bool = False
    timeout_secs: int | None = None


# --- workspace


class RecordWorkspace(Struct, frozen=True, tag=True):
    """A worktree is made next for the actor, on this branch and with this beginning; see
    `events.WorkspaceChosen`."""

    actor: ActorId
    branch: str
    base: str
    repository: str
    inner: str = ""
    notes: tuple[str, ...] = ()


class RecordWorkspaceMade(Struct, frozen=True, tag=True):
    """The worktree is there."""

    actor: ActorId


class KeepWorkspace(Struct, frozen=True, tag=True):
    """Leave a settled actor's worktree where it is, as the house rules say."""

    actor: ActorId


class RecordTidied(Struct, frozen=True, tag=True):
    """A settled actor's worktree was removed, or kept for a reason."""

    actor: ActorId
    kept: str = ""


Command = (
    CancelActor
    | RecordExit
    | RecordCrash
    | AskApproval
    | AnswerApproval
    | ExpireApproval
    | UseApproval
    | AdmitCall
    | RecordCompaction
    | RecordDrift
    | RecordBeginning
    | RecordOutcome
    | RecordChecks
    | WarnActor
    | ExpireActor
    | WrapUpActor
    | BeginTool
    | DeliverMail
    | RecordDenial
    | CancelWorkers
    | ChangeHouse
    | PutEntry
    | AwaitEntry
    | AcquireLease
    | LeaveLease
    | ReleaseLease
    | GrantLease
    | ExpireLease
    | RemindApproval
    | RecordDelivered
    | RecordUndelivered
    | RecordHold
    | UnparkRun
    | MapPaths
    | ChangePolicies
    | StartRun
    | OwnRun
    | DrainRun
    | CancelRun
    | ReopenRun
    | FinishRun
    | RecordServer
    | RecordStartHeld
    | SpawnActor
    | PauseActor
    | ContinueActor
    | RepromptActor
    | SendMessage
    | RecordHalted
    | SpawnSublead
    | StartTask
    | SkipTasks
    | RecordTurn
    | RecordCut
    | RecordToolResult
    | OpenWait
    | RecordWorkspace
    | RecordWorkspaceMade
    | KeepWorkspace
    | RecordTidied
)
