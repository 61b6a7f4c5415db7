"""Actor state: what is true of one actor, live or settled.

Mutable inside the fold, read-only to everyone else. A part of `state`, by which it is known.
"""

from typing import Literal

from msgspec import Struct, field

from leadhand.domain.contract import Said, Verdict
from leadhand.domain.events import Status
from leadhand.domain.ids import ActorId, CallId
from leadhand.domain.manifest import Settings
from leadhand.domain.money import Price, Usage

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
    plan: tuple[str, ...] | None = None


# --- approval


class Answer(Struct):
    """What was answered. by: the operator, `policy`, or `ttl` where nobody did in time."""

    approved: bool
    by: str
    comment: str
    edited_summary: str


class Approval(Struct):
    """A question of an actor, until the call that asked it has returned. since, until: run_ms.
    used: what was approved has begun. resources: globs, of a plan. reminded: half its time is over,
    and it was told."""

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
    resources: tuple[str, ...] = ()
    reminded: bool = False


# --- budget


class Call(Struct):
    """A model call in flight. since, held_until: run_ms. held: what it waits for before it leaves,
    if it does. compacts: it summarizes the conversation. outside: its session is not of this
    process. price: of its model, where that is not the actor's."""

    id: CallId
    model: str
    bound: int
    input_bound: int
    since: int
    final: bool
    compacts: bool = False
    held: str = ""
    held_until: int = 0
    outside: bool = False
    price: Price | None = None


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


# --- pause


class Pause(Struct):
    """A live actor takes no step. since: run_ms."""

    mode: Literal["cancel", "freeze"]
    since: int
    by: str
    reason: str


# --- turn


class OpenTool(Struct):
    """A tool call that has not returned. since: run_ms. done: what it has done that must not be
    done twice: the version that it wrote, the fence that it released, 1 for a message; else 0."""

    call: CallId
    tool: str
    effect: str
    step: str
    since: int
    done: int = 0


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


class Actor(Struct):
    """A live actor. estimate: what is held for it in `pool`, the nearest envelope's owner.
    Times are run_ms; None has not come. compact_above: tokens; compacted_turn: how many turns it
    had taken when its conversation was compacted last. unfinished: answers in a row that were no
    end. leases: the keys of those it holds. max_workers, read_down,
    env: of a sub-lead, as in `ActorSpawned`. workers_live: its own. subleads_spawned: ever.
    held: what its session's process waits for before it starts. halting: why its session is to be
    stopped before anything else of it starts. denied: who said no to its last question. plan: globs
    of what its approved plan writes, below its directory."""

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
    leases: dict[str, None] = field(default_factory=dict)
    approvals: dict[CallId, Approval] = field(default_factory=dict)
    denied: str = ""
    plan: tuple[str, ...] | None = None
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
    held: str = ""
    held_since: int = 0
    held_until: int = 0

    def may_wait_until(self, now_ms: int, secs: int | None) -> int:
        """Until when (run_ms) a wait of so many seconds lasts; its own time is the longest."""
        longest = self.deadline if self.deadline is not None else now_ms + self.timeout_ms
        asked = longest if secs is None else now_ms + secs * 1000
        return max(now_ms, min(asked, longest))
