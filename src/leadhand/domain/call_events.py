"""Call events: what happens on the road of a model call, from its admission to its answer's tools.

A part of `events`, by which they are known; the same holds for them.
"""

from typing import Literal

from msgspec import Struct

from leadhand.domain.event import Event
from leadhand.domain.ids import CallId
from leadhand.domain.money import Price, Usage

# --- answer


class AnswerUnfinished(Event, frozen=True):
    """An answer was cut at its length, or empty; the actor was asked to go on."""

    why: str = ""


# --- budget


class CallAdmitted(Event, frozen=True):
    """Money was set aside and the call may leave. messages: numbers of those it delivers.
    final: the actor's last call, which may use no tools. compacts: it is to summarize the
    conversation, and is no turn. outside: a session outside this process asks. price: of a model
    that is not the actor's own."""

    call: CallId = CallId("")
    model: str = ""
    bound: int = 0
    input_bound: int = 0
    output_max: int = 0
    messages: tuple[int, ...] = ()
    final: bool = False
    compacts: bool = False
    outside: bool = False
    price: Price | None = None


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


# --- outside


class ToolBegun(Event, frozen=True):
    """A session outside this process called a tool; fields as in `Intent`."""

    call: CallId = CallId("")
    tool: str = ""
    effect: Literal["reads", "effects", "keyed"] = "effects"
    step: str = ""


class MailDelivered(Event, frozen=True):
    """Messages went out with the result of a tool call. messages: their numbers."""

    messages: tuple[int, ...] = ()


class CallerDenied(Event, frozen=True):
    """A caller was turned away. actor: whose token it showed; empty where that is not known. tool:
    what it called, if that is known."""

    tool: str = ""
    why: str = ""


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


# --- server


class ServerAsked(Event, frozen=True):
    """An MCP server was asked for its tools; fields as in `RecordServer`."""

    server: str = ""
    tools: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    trouble: str = ""


# --- start


class StartHeld(Event, frozen=True):
    """A session's process waits to start, or does no more; fields as in `RecordStartHeld`."""

    why: str = ""
    until: int = 0


# --- turn


class Intent(Struct, frozen=True, omit_defaults=True):
    """A tool call that a turn asks for. step: what it does, for people."""

    call: CallId
    tool: str
    effect: Literal["reads", "effects", "keyed"] = "effects"
    step: str = ""


class TurnRecorded(Event, frozen=True):
    """The model answered, and its call was settled at this cost. slice: what the actor's report
    turn would cost now. saved: what it would have cost more without a cache (nano-dollars).
    outside: its session is not of this process, and may have calls of other turns under way."""

    call: CallId = CallId("")
    answer: str = ""
    usage: Usage = Usage()
    cost: int = 0
    saved: int = 0
    slice: int = 0
    stop_reason: str = ""
    intents: tuple[Intent, ...] = ()
    words: str = ""
    outside: bool = False


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
