"""Tool: the port of everything an actor can call, whatever its origin."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, Protocol

from msgspec import Struct

from leadhand.arguments import Arguments, Fields
from leadhand.domain.ids import ActorId, CallId
from leadhand.domain.outcomes import Role as Role
from leadhand.domain.questions import Bound
from leadhand.processes import Processes

LEADS: frozenset[Role] = frozenset({"lead", "sublead"})
EVERYONE: frozenset[Role] = LEADS | {"worker"}
Effect = Literal["reads", "effects", "keyed"]


class Blobs(Protocol):
    """Where tools put what is too long to show."""

    async def put(self, data: bytes) -> str:
        """Keep data; gives the pointer (`blob:<digest>`) that reads it back."""
        ...

    async def get(self, pointer: str) -> bytes:
        """The data behind a pointer. Raises StoreError where there is none."""
        ...


class Caller(Struct, frozen=True):
    """Who calls, and what it may touch.

    root: its directory, where relative paths start. roots: every directory that its file tools
    may touch (root first). readable: further directories and files that they may only read.
    env: the whole environment of its child processes, without keys. allow_hosts: what it may
    fetch from beside public hosts, as the manifest says it. writes: globs of what it may write
    below its root and nothing else, where it claims any; status_file: beside them. plan: that it
    may not write beside, if one was approved.
    """

    actor_id: ActorId
    role: Role
    call_id: CallId
    root: Path
    roots: tuple[Path, ...]
    readable: tuple[Path, ...]
    env: dict[str, str]
    blobs: Blobs
    processes: Processes
    allow_hosts: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    status_file: Path | None = None
    plan: Bound | None = None


Handler = Callable[[Caller, Any], Awaitable[Any]]


After = Callable[["Caller", "Tool"], Awaitable[str]]
Gate = Callable[["Caller", "Tool", Any], Awaitable[None]]


class Tool(Struct, frozen=True):
    """One callable thing. args: a struct, or what else says what it may be called with.

    effect: `reads` may run again after a crash; `keyed` too, since its call id makes it happen
    once; `effects` is never repeated. A handler gives text, or a struct that is shown as JSON;
    it refuses by raising Refused. tidy: removes what a killed process's call left half made.
    """

    name: str
    description: str
    args: type[Struct] | Arguments
    roles: frozenset[Role]
    effect: Effect
    category: str
    handler: Handler
    aliases: tuple[str, ...] = ()
    tidy: Callable[[Caller, Any], None] | None = None

    @property
    def arguments(self) -> Arguments:
        """What it may be called with."""
        return Fields(self.args) if isinstance(self.args, type) else self.args
