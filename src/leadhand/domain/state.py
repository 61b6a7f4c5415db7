"""State: what is true of a run now; counts, ids, references and open things, no long texts.

Mutable inside the fold, read-only to everyone else.
"""

from typing import Literal

from msgspec import Struct, field

from leadhand.domain.actor_state import Actor as Actor
from leadhand.domain.actor_state import Answer as Answer
from leadhand.domain.actor_state import Approval as Approval
from leadhand.domain.actor_state import Call as Call
from leadhand.domain.actor_state import Deferral as Deferral
from leadhand.domain.actor_state import Duty as Duty
from leadhand.domain.actor_state import Ending as Ending
from leadhand.domain.actor_state import Mail as Mail
from leadhand.domain.actor_state import OpenTool as OpenTool
from leadhand.domain.actor_state import Pause as Pause
from leadhand.domain.actor_state import Record as Record
from leadhand.domain.actor_state import Told as Told
from leadhand.domain.actor_state import Wait as Wait
from leadhand.domain.events import Limit, RunStatus, Status
from leadhand.domain.ids import ActorId, CallId
from leadhand.domain.manifest import (
    TASKS_PARALLEL,
    HouseRules,
    Manifest,
    NoticeEvent,
    Severity,
)
from leadhand.domain.money import Usage
from leadhand.domain.shared_state import Entry as Entry
from leadhand.domain.shared_state import Layer as Layer
from leadhand.domain.shared_state import Lease as Lease
from leadhand.domain.shared_state import Waiter as Waiter
from leadhand.refusals import UnknownActor

# --- budget


class Envelope(Struct):
    """Money of a subtree, in nano-dollars; spent includes everything below.

    spent + reserved + held + granted + slice <= limit + excess, always.
    parent: whose envelope this one was carved from. users: the live actors that draw on it, its
    owner among them, and the envelopes carved from it; without any it goes back to the parent's.
    held: what estimates of workers still claim. granted: what children's envelopes may still
    spend. slice: kept for the owner's report, which costs `report`. excess: what dear answers
    cost past their bound.
    """

    limit: int
    parent: ActorId | None = None
    spent: int = 0
    reserved: int = 0
    held: int = 0
    granted: int = 0
    slice: int = 0
    report: int = 0
    excess: int = 0
    users: int = 0


# --- notify


class Pending(Struct):
    """A notice that its sink was not told of. seq: the event that it tells of. wall_ms: when that
    was; until: the sink asked not to be tried before (wall clock). why: it was not told."""

    event: NoticeEvent
    severity: Severity
    seq: int
    sink: int
    wall_ms: int
    attempts: int = 0
    until: int = 0
    why: str = ""


class Outbox(Struct):
    """What the sinks are still to be told, by key, and how many notices went how. lost: of which
    there were too many at a time. why: of the last that was dropped. short: whether the want of
    money was told. report: the event with the last report."""

    pending: dict[str, Pending] = field(default_factory=dict)
    delivered: int = 0
    dropped: int = 0
    lost: int = 0
    why: str = ""
    short: bool = False
    report: int = 0


# --- pace


class Parked(Struct):
    """A run that waits for a quota. since, until: wall clock, milliseconds; until is 0 where its
    owner is to let go of it instead."""

    model: str
    why: str
    since: int
    until: int


# --- task


class Tasks(Struct):
    """How far the tasks of a run without a lead are, by their ids. unmet: how many needs each
    waiting one has left; running: by the worker; ended: with its status; skipped, doomed: why;
    held: why none starts before another has settled."""

    dependents: dict[str, list[str]] = field(default_factory=dict)
    unmet: dict[str, int] = field(default_factory=dict)
    ready: dict[str, None] = field(default_factory=dict)
    running: dict[ActorId, str] = field(default_factory=dict)
    ended: dict[str, Status] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    doomed: dict[str, str] = field(default_factory=dict)
    held: str = ""


# --- workspace


class Workspace(Struct):
    """A worktree of an actor's own. state: `wanted` until its place is recorded, `chosen` until it
    is there, `made` until its actor has settled, then `kept` (why) or `removed`.
    source: the directory that it stands for. last: it is not looked at again. The others are as in
    `WorkspaceChosen`."""

    source: str
    branch: str
    state: Literal["wanted", "chosen", "made", "kept", "removed"] = "wanted"
    base: str = ""
    repository: str = ""
    inner: str = ""
    notes: tuple[str, ...] = ()
    why: str = ""
    last: bool = False


class ModelSpend(Struct):
    """What one model has cost in this run, and what its cache has saved."""

    calls: int = 0
    usage: Usage = Usage()
    spent: int = 0
    saved: int = 0


class Run(Struct):
    """Everything that is true of one run. short: what it ran out of since it began or was taken up
    again; relieved: of what there is more since, so that its lead is to have another stint.
    workers_kept: the root's live ones that a lower max_workers found. moves: paths that were
    mapped. leases, vacant: by key; the vacant ones are free while others wait for them. questions:
    who waits for an answer, by the approval's id; asked: how many ever were. denials: callers
    that were turned away. servers: why each MCP server that was asked is not there; empty where it
    is."""

    id: str = ""
    manifest: Manifest | None = None
    status: RunStatus | None = None
    moves: list[tuple[str, str]] = field(default_factory=list)
    epoch: int = 0
    owner: str = ""
    seq: int = 0
    run_ms: int = 0
    started_wall_ms: int = 0
    finished_wall_ms: int | None = None
    drain_until: int | None = None
    drained: bool = False
    short: list[Limit] = field(default_factory=list)
    relieved: list[Limit] = field(default_factory=list)
    cancelled: str | None = None
    parked: Parked | None = None
    parks_in_row: int = 0
    actors: dict[ActorId, Actor] = field(default_factory=dict)
    records: dict[ActorId, Record] = field(default_factory=dict)
    spawned_total: int = 0
    workers_live: int = 0
    subleads_live: int = 0
    failed: int = 0
    paused: int = 0
    workers_kept: int = 0
    spent: int = 0
    calls: int = 0
    usage: Usage = Usage()
    models: dict[str, ModelSpend] = field(default_factory=dict)
    overheads: dict[str, int] = field(default_factory=dict)
    cut: dict[CallId, int] = field(default_factory=dict)
    late: int = 0
    history: dict[str, list[int]] = field(default_factory=dict)
    envelopes: dict[ActorId, Envelope] = field(default_factory=dict)
    tasks: Tasks = field(default_factory=Tasks)
    report_status: str = ""
    report_by: str = ""
    mismatches: int = 0
    workspaces: dict[ActorId, Workspace] = field(default_factory=dict)
    layers: dict[ActorId, Layer] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    vacant: dict[str, None] = field(default_factory=dict)
    questions: dict[str, tuple[ActorId, CallId]] = field(default_factory=dict)
    asked: int = 0
    denials: int = 0
    servers: dict[str, str] = field(default_factory=dict)
    outbox: Outbox = field(default_factory=Outbox)

    @property
    def led(self) -> bool:
        """Whether a lead decides; without one the runtime works through tasks."""
        return not (self.manifest and self.manifest.tasks)

    @property
    def places(self) -> int:
        """How many workers of the root may live at a time."""
        house = self.house
        return house.max_workers if self.led else house.max_parallel_tasks or TASKS_PARALLEL

    @property
    def house(self) -> HouseRules:
        """The house rules of this run."""
        return self.manifest.house if self.manifest else HouseRules()

    def open_tool(self, actor: str, call: CallId) -> OpenTool | None:
        """A tool call that has not returned."""
        one = self.actors.get(ActorId(actor))
        return one.tools.get(call) if one else None

    def has_done(self, actor: str, call: CallId) -> int:
        """What an open tool call has done already, before its process died; 0 for nothing."""
        tool = self.open_tool(actor, call)
        return tool.done if tool is not None else 0

    def done(self, actor: str, call: CallId, what: int = 1) -> None:
        """Remember what an open tool call has done, in case it is made again."""
        tool = self.open_tool(actor, call)
        if tool is not None:
            tool.done = what

    def live(self, actor: ActorId) -> Actor:
        """The live actor of this id. Raises UnknownActor."""
        found = self.actors.get(actor)
        if found is None:
            raise UnknownActor(f"unknown actor: {actor}")
        return found

    def layer_of(self, actor: ActorId) -> ActorId:
        """The lead whose layer an actor is in: a worker's is its parent's, any other has its own.
        Raises UnknownActor."""
        one = self.actors.get(actor) or self.records.get(actor)
        if one is None:
            raise UnknownActor(f"unknown actor: {actor}")
        return one.parent if one.role == "worker" else one.id
