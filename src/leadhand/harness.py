"""Harness: the port of what runs a session, and what of the engine sessions are given."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from leadhand.domain.clock import Now
from leadhand.domain.commands import AdmitCall, Command
from leadhand.domain.events import CallAdmitted, Event, Intent
from leadhand.domain.ids import ActorId
from leadhand.domain.state import Run
from leadhand.errors import ModelError
from leadhand.model import Answer, Request, ToolResult, ToolSchema, ToolUse
from leadhand.processes import Processes
from leadhand.refusals import Refused
from leadhand.tool import Blobs, Caller, Role, Tool

MONEY = "money"

# How an answer becomes the command that records it.
Recorded = Callable[[Answer], Command]


class Owner(Protocol):
    """The owner of a run as sessions, tools and the gateway see it."""

    @property
    def run(self) -> Run:
        """What is true now; read-only."""
        ...

    def now(self) -> Now:
        """The time."""
        ...

    async def submit(self, command: Command) -> Sequence[Event]:
        """Ask for a command; returns its events once they are durable.

        Raises Refused, or StoreError after which nothing more is possible. Cancelling who waits
        does not cancel the command.
        """
        ...

    def watching(self, *keys: str) -> AbstractContextManager[asyncio.Event]:
        """An event that is set whenever something durable concerns one of the keys: an actor's
        id, an entry's layer and path in one, MONEY for freed money, or the empty string for the
        run as a whole. That it settles concerns an actor's parent too; its turns and what its
        tools give concern nobody."""
        ...

    async def until(self, run_ms: int, changed: asyncio.Event) -> None:
        """Wait for the event, until this instant of the run's time at the latest. It must also be
        set by what concerns the run as a whole, since a parked run's time stands still."""
        ...

    async def history(self, actor: ActorId, after: int = 0) -> list[Event]:
        """The durable events of one actor, in order."""
        ...

    async def event(self, seq: int) -> Event:
        """One durable event."""
        ...


class ModelRoad(Protocol):
    """The one road of every model call; see `gateway/`."""

    async def admit(
        self, command: AdmitCall, draft: Callable[[str], Request]
    ) -> tuple[CallAdmitted, Sequence[Event]]:
        """Ask until the call is admitted; gives its admission, and all events on the way to it.

        draft: what the named model would be asked without mail, to have its tokens counted. Raises
        Refused where the call never will be admitted.
        """
        ...

    async def ask(
        self, request: Request, recorded: Recorded, on_text: Callable[[str], None]
    ) -> tuple[Answer, Sequence[Event]]:
        """Send an admitted call; its answer is durable when this returns.

        Raises ModelError, after the call was settled. Cancelled, it settles the call first.
        """
        ...


class ToolRoad(Protocol):
    """The one road of every tool call; see `tools/call.py`."""

    def offered(self, role: Role, work_tools: Sequence[str]) -> list[Tool]:
        """The tools of a role, and of the work tools those that the actor was given."""
        ...

    def add(self, tools: Iterable[Tool]) -> None:
        """Know these too, from now on."""
        ...

    def schemas(self, tools: Iterable[Tool]) -> list[ToolSchema]:
        """The tools as a model sees them."""
        ...

    def find(self, name: str) -> Tool | None:
        """The tool of a name or an alias, whoever may use it."""
        ...

    def intent(self, use: ToolUse) -> Intent:
        """What a tool call is about to do, as the log keeps it."""
        ...

    async def call(self, caller: Caller, offered: Sequence[Tool], use: ToolUse) -> ToolResult:
        """Run one tool call; whatever goes wrong in it is a result."""
        ...

    async def tidy(self, caller: Caller, use: ToolUse) -> None:
        """Remove what a call left half made whose process was killed."""
        ...


class Offer(Struct, frozen=True):
    """The tools of other people's servers that an actor is offered. missing: which of the servers
    are not there. No word of theirs is in it."""

    tools: tuple[Tool, ...] = ()
    missing: tuple[str, ...] = ()


class Foreign:
    """Other people's servers of tools, see `mcp/servers.py`; here there are none."""

    async def offered(self, role: str, agent: str) -> Offer:
        """What an actor is offered, by its role and its agent's name. It takes a bounded time."""
        return Offer()

    async def close(self) -> None:
        """Let go of them all."""


class Words:
    """Where the words of the turn that is not over can be watched; this one keeps nothing."""

    def begin(self, actor: ActorId) -> Callable[[str], None]:
        """Begin a turn; gives what takes its words."""
        return lambda text: None


class Door(Struct, frozen=True):
    """Where an actor's session finds its tools over MCP, and models_url the models. token: a bearer
    token, which is the actor's identity at both and goes into its own environment only."""

    url: str
    token: str
    models_url: str = ""


class Doors(Protocol):
    """What lets sessions outside this process in; see `mcp/`."""

    async def open(self, actor: ActorId) -> Door:
        """A door of an actor, which opens until `close`; the one that it had is closed."""
        ...

    def close(self, actor: ActorId) -> None:
        """Close an actor's door."""
        ...

    def trouble(self, actor: ActorId) -> Refused | ModelError | None:
        """Why the actor's last call to a model was refused here, or failed; None where it was
        answered."""
        ...


class Means(Struct, frozen=True):
    """What sessions of one run work with. environment: what child processes may inherit.
    transcripts, worktrees: of all actors, what leads may read. foreign: knows tools that are known
    once somebody was asked, and tells the toolbox."""

    owner: Owner
    gateway: ModelRoad
    toolbox: ToolRoad
    blobs: Blobs
    processes: Processes
    environment: dict[str, str]
    transcripts: Path
    words: Words
    worktrees: Path | None = None
    foreign: Foreign = Foreign()


class Harness(Protocol):
    """What runs sessions of one kind."""

    async def run(self, actor: ActorId) -> None:
        """Run an actor's session from where its log ends until it settles.

        It must end soon when cancelled. What it raises counts as a crash of the harness.
        """
        ...
