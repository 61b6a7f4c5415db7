"""State: what is true of a run now; counts, ids, references and open things, no long texts.

Mutable inside the fold, read-only to everyone else.
"""

from typing import Literal

from msgspec import Struct, field

from leadhand.domain.contract import Said, Verdict
from leadhand.domain.events import Limit, RunStatus, Status
from leadhand.domain.ids import ActorId, CallId
from leadhand.domain.manifest import TASKS_PARALLEL, HouseRules, Manifest, Settings
from leadhand.domain.money import Price, Usage
from leadhand.domain.shared_state import Entry as Entry
from leadhand.domain.shared_state import Layer as Layer
from leadhand.domain.shared_state import Lease as Lease
from leadhand.domain.shared_state import Waiter as Waiter
from leadhand.refusals import UnknownActor

# --- actor


class Ending(Struct):
    """How a live actor is about to settle."""

    status: Status
    reason: str
    by: str


class Record(Struct):
    """A settled actor. final_seq: the event that holds its last words. start and end in both
    hands of the clock, milliseconds. settings: all but its longest, for another stint."""

    id: ActorId
    parent: ActorId
    role: str
    label: str
    agent: str
    model: str
    stint: int
    status: Status
    error: str
    preview: str
    final_seq: int
    turns: int
    usage: Usage
    spent: int
    started_wall_ms: int
    ended_wall_ms: int
    duration_ms: int
    keys: dict[str, ActorId]
    message_count: int
    context_tokens: int
    price: Price
    duty: "Duty"
    outcome: Verdict = "unverified"
    settings: Settings = Settings()
    max_workers: int = 0
    subleads_spawned: int = 0
    read_down: bool = False
    env: dict[str, str] = {}


# --- approval


class Answer(Struct):
    """What was answered. by: the operator, `policy`, or `ttl` where nobody did in time."""

    approved: bool
    by: str
    comment: str
    edited_summary: str


class Approval(Struct):
    """A question of an actor, until the call that asked it has returned. since, until: run_ms.
    used: what was approved has begun."""

    id: str
    actor: ActorId
    call: CallId
    category: str
    tool: str
    digest: str
    summary: str
    asked_seq: int
    since: int
    until: int
    fallback: str
    answer: Answer | None = None
    used: bool = False


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


class Call(Struct):
    """A model call in flight. since, held_until: run_ms. held: what it waits for before it leaves,
    if it does. compacts: it summarizes the conversation."""

    id: CallId
    model: str
    bound: int
    input_bound: int
    since: int
    final: bool
    compacts: bool = False
    held: str = ""
    held_until: int = 0


class Deferral(Struct):
    """A call that waits to be admitted. since, until: run_ms."""

    call: CallId
    needed: int
    why: str
    since: int
    until: int


# --- contract


class Told(Struct):
    """What an actor has reported. turn: how many it had taken then. returned: whether with a
    value."""

    status: Said
    preview: str
    turn: int
    call: CallId
    returned: bool


class Duty(Struct):
    """What an actor owes beside its words, and how far that is. demands: whether anything is
    checked; returns: whether a value is to be returned; writes: all that it may write. kept: how
    its files began is known. claimed_at: since when its work is checked (run_ms)."""

    demands: bool = False
    returns: bool = False
    writes: tuple[str, ...] = ()
    kept: bool = False
    asked: bool = False
    told: Told | None = None
    claimed_at: int | None = None


# --- message


class Mail(Struct):
    """A message not yet delivered."""

    number: int
    sender: str
    kind: str
    text: str


# --- pace


class Parked(Struct):
    """A run that waits for a quota. since, until: wall clock, milliseconds; until is 0 where its
    owner is to let go of it instead."""

    model: str
    why: str
    since: int
    until: int


# --- pause


class Pause(Struct):
    """A live actor takes no step. since: run_ms."""

    mode: Literal["cancel", "freeze"]
    since: int
    by: str
    reason: str


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


# --- turn


class OpenTool(Struct):
    """A tool call that has not returned. since: run_ms. done: what it asks for has happened."""

    call: CallId
    tool: str
    effect: str
    step: str
    since: int
    done: bool = False


# --- wait


class Wait(Struct):
    """An open wait of an actor: for others, an entry or a lease, as in `WaitOpened`. since, until:
    run_ms."""

    call: CallId
    targets: tuple[ActorId, ...]
    any: bool
    since: int
    until: int
    layer: ActorId = ActorId("")
    path: str = ""
    min_version: int = 0
    lease: str = ""


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


class Actor(Struct):
    """A live actor. estimate: what is held for it in `pool`, the nearest envelope's owner.
    Times are run_ms; None has not come. compact_above: tokens; compacted_turn: how many turns it
    had taken when its conversation was compacted last. unfinished: answers in a row that were no
    end. deeds: what its open calls have done that must not be done twice: the version that one
    wrote, the fence that one released. leases: the keys of those it holds. max_workers, read_down,
    env: of a sub-lead, as in `ActorSpawned`. workers_live: its own. subleads_spawned: ever.
    halting: why its session is to be stopped before anything else of it starts. denied: who said no
    to its last question."""

    id: ActorId
    parent: ActorId
    role: str
    label: str
    agent: str
    model: str
    pool: ActorId
    turns_max: int
    output_max: int
    timeout_ms: int
    spawned_at: int
    spawned_wall_ms: int
    directory: str = ""
    add_dirs: tuple[str, ...] = ()
    price: Price = Price()
    estimate: int = 0
    stint: int = 1
    started_at: int | None = None
    started_wall_ms: int | None = None
    deadline: int | None = None
    warned: bool = False
    expired: bool = False
    stop_at: int | None = None
    stop_why: str = ""
    ending: Ending | None = None
    winding: str = ""
    final: bool = False
    final_used: bool = False
    crashes: int = 0
    retry_at: int = 0
    turns: int = 0
    context_tokens: int = 0
    compact_above: int = 0
    compacted_turn: int = 0
    unfinished: int = 0
    usage: Usage = Usage()
    spent: int = 0
    call: Call | None = None
    deferral: Deferral | None = None
    tools: dict[CallId, OpenTool] = field(default_factory=dict)
    waits: dict[CallId, Wait] = field(default_factory=dict)
    deeds: dict[CallId, int] = field(default_factory=dict)
    leases: dict[str, None] = field(default_factory=dict)
    approvals: dict[CallId, Approval] = field(default_factory=dict)
    denied: str = ""
    plan_approved: bool = False
    mail: list[Mail] = field(default_factory=list)
    message_count: int = 0
    live_children: list[ActorId] = field(default_factory=list)
    keys: dict[str, ActorId] = field(default_factory=dict)
    refusals_in_row: int = 0
    refused_in_turn: int = -1
    report_asked: bool = False
    duty: Duty = field(default_factory=Duty)
    last_step: str = ""
    last_words: str = ""
    settings: Settings = Settings()
    paused: Pause | None = None
    halting: Literal["", "pause", "reprompt"] = ""
    max_workers: int = 0
    workers_live: int = 0
    subleads_spawned: int = 0
    read_down: bool = False
    env: dict[str, str] = {}

    def may_wait_until(self, now_ms: int, secs: int | None) -> int:
        """Until when (run_ms) a wait of so many seconds lasts; its own time is the longest."""
        longest = self.deadline if self.deadline is not None else now_ms + self.timeout_ms
        asked = longest if secs is None else now_ms + secs * 1000
        return max(now_ms, min(asked, longest))


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
    who waits for an answer, by the approval's id; asked: how many ever were."""

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

    def done(self, actor: str, call: CallId) -> None:
        """Remember that what an open tool call asks for has happened, in case it is made again."""
        tool = self.open_tool(actor, call)
        if tool is not None:
            tool.done = True

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
