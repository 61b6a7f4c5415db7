"""Run commands: what may be asked of a run as a whole: its rules, its pace, its tasks, its end.

A part of `commands`, by which they are known.
"""

from msgspec import Struct

from leadhand.domain.ids import ActorId, CallId
from leadhand.domain.manifest import ApprovalPolicy, Manifest, PolicyAction

# --- fresh


class CancelWorkers(Struct, frozen=True, tag=True):
    """End everybody but the lead, which is told whom it lost."""

    reason: str = "lost: resumed with fresh workers"
    by: str = "operator"


# --- house


class ChangeHouse(Struct, frozen=True, tag=True):
    """Change house rules of a run; None leaves one as it is. lead_timeout_secs: from now on."""

    budget_nanousd: int | None = None
    max_workers: int | None = None
    lead_timeout_secs: int | None = None


# --- notify


class RemindApproval(Struct, frozen=True, tag=True):
    """Remind the operator of a question that has waited for half of its time."""

    approval: str


class RecordDelivered(Struct, frozen=True, tag=True):
    """A sink was told; key: as in `events.NoticeDelivered`."""

    key: str


class RecordUndelivered(Struct, frozen=True, tag=True):
    """A sink could not be told. until: it asked not to be tried before (wall clock, milliseconds).
    final: it never will be."""

    key: str
    why: str
    until: int = 0
    final: bool = False


# --- pace


class RecordHold(Struct, frozen=True, tag=True):
    """An admitted call waits for its provider before it leaves. until: run_ms."""

    actor: ActorId
    call: CallId
    why: str
    until: int


class UnparkRun(Struct, frozen=True, tag=True):
    """Go on with a run whose quota has come back."""


# --- paths


class MapPaths(Struct, frozen=True, tag=True):
    """Read paths that begin with the first of a pair as beginning with the second. All are
    absolute."""

    pairs: tuple[tuple[str, str], ...]


# --- policy


class ChangePolicies(Struct, frozen=True, tag=True):
    """Other policies from now on; questions that wait already keep waiting."""

    policies: tuple[ApprovalPolicy, ...]
    default: PolicyAction
    by: str = "operator"


# --- run


class StartRun(Struct, frozen=True, tag=True):
    """Begin a run."""

    run_id: str
    manifest: Manifest


class OwnRun(Struct, frozen=True, tag=True):
    """A new owner holds the run. acts: false for one who only leaves a command."""

    epoch: int
    who: str
    acts: bool = True


class DrainRun(Struct, frozen=True, tag=True):
    """Start nothing new; everyone is told to wrap up."""

    by: str = "operator"


class CancelRun(Struct, frozen=True, tag=True):
    """End the run and every actor of it."""

    reason: str
    by: str = "operator"


class ReopenRun(Struct, frozen=True, tag=True):
    """Take up again a run that was drained, or ran out of what there is more of now."""


class FinishRun(Struct, frozen=True, tag=True):
    """Close a run of which every actor has settled."""


# --- server


class RecordServer(Struct, frozen=True, tag=True):
    """An MCP server was asked for its tools. tools: their names, as actors have them. left_out:
    why others are not offered. trouble: why it is not there; empty where it is."""

    server: str
    tools: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    trouble: str = ""


# --- start


class RecordStartHeld(Struct, frozen=True, tag=True):
    """A session's process cannot start yet. why: what it waits for; empty once it does no more.
    until: how long it would (run_ms)."""

    actor: ActorId
    why: str = ""
    until: int = 0


# --- task


class StartTask(Struct, frozen=True, tag=True):
    """Start the worker of a task whose needs are done."""

    task: str


class SkipTasks(Struct, frozen=True, tag=True):
    """Skip the tasks that can never start."""
