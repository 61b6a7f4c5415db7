"""Agent: the port of a coding agent: a program that runs one actor's session in its own process.

Its model calls go through the door of the gateway and its calls of our tools through `Hands` or
the door of MCP, so that money, approvals and the log are the same as in process.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, Protocol

from msgspec import Struct

from leadhand.domain.ids import ActorId
from leadhand.domain.manifest import Effort, HarnessName
from leadhand.harness import Door
from leadhand.model import ToolResult, ToolSchema
from leadhand.processes import Processes

# How a turn of an agent ended: by itself; because it was interrupted, or failed; because the model
# refused, its answer was cut at its length, or the conversation was too long for it.
EndKind = Literal["done", "interrupted", "failed", "refused", "cut", "too_long"]

# The work tools that each agent has of its own, by our names; it is given the others as ours.
NATIVE: dict[HarnessName, frozenset[str]] = {
    "api": frozenset(),
    "claude-code": frozenset({"Read", "Write", "Edit", "Bash", "Glob", "Grep"}),
    "codex": frozenset({"Read", "Write", "Edit", "Bash", "Glob", "Grep"}),
}

# The operator's variables by which an agent opens its provider itself, where the manifest says so.
LOGINS: dict[HarnessName, tuple[str, ...]] = {
    "api": (),
    "claude-code": ("CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_AUTH_TOKEN"),
    "codex": (),
}

# What a harness does not do as a session in this process does, and what becomes of that.
LACKS: dict[HarnessName, tuple[tuple[str, str], ...]] = {
    "api": (),
    "claude-code": (
        ("compaction at compact_above_tokens", "it summarizes its conversation by itself"),
        ("models of other dialects", "its provider must speak Anthropic's"),
        ("an end that leaves no trace", "asked to end, it adds an answer to its conversation"),
    ),
    "codex": (
        ("compaction at compact_above_tokens", "it summarizes its conversation by itself"),
        ("models of other dialects", "its provider must speak OpenAI's Responses"),
        ("its user's settings (user_settings)", "it reads none but ours"),
        ('a login of its own (auth = "login")', "a key of your provider opens it"),
        ("a reason in the result of what was refused", "the reason follows as a message"),
        ("tools for reading", "it reads by commands, which need Read, Glob, Grep or Bash"),
        ("names of MCP tools that begin with mcp__", "they are called SERVER__TOOL"),
        ("models with code mode", "that is switched off, and what they do then was not tried"),
    ),
}


class Ended(Struct, frozen=True):
    """How a turn of an agent ended. text: its last words; error: why it is no success."""

    kind: EndKind
    text: str = ""
    error: str = ""


class Hands(Struct, frozen=True):
    """What an agent asks of its run.

    ask: may it carry out a call of a tool of its own? Given the call's id, our name of the tool
    and its arguments; empty where it may, else why not. It may take as long as an operator does.
    after: what is to be told after such a call; mostly nothing. call: carry out a call of one of
    our tools.
    """

    ask: Callable[[str, str, dict[str, Any]], Awaitable[str]]
    after: Callable[[str, str], Awaitable[str]]
    call: Callable[[str, str, dict[str, Any]], Awaitable[ToolResult]]


class Place(Struct, frozen=True):
    """What one session of an agent is given.

    session: a UUID, the same for all sessions of the actor. env: the whole environment, without
    keys. home: a folder of the actor's own, which is there, for all that the agent keeps. tools:
    the work tools of its own that it may use, by our names; schemas: our tools that it is given
    beside them. login: variables by which it opens its provider itself; empty where we do.
    user_settings: whether it reads those of its user. system:
    what it is to know beside its own instructions. start_secs: how long it may take to be ready.
    """

    actor: ActorId
    session: str
    root: Path
    add_dirs: tuple[Path, ...]
    env: dict[str, str]
    home: Path
    door: Door
    model: str
    effort: Effort | None
    system: str
    tools: tuple[str, ...]
    schemas: tuple[ToolSchema, ...]
    login: dict[str, str] = {}
    user_settings: bool = False
    start_secs: float = 60.0


class Agent(Protocol):
    """One session of a coding agent, in a process of its own."""

    async def begin(self) -> bool:
        """Start the process, with a new session or the actor's earlier one; whether it is the
        earlier one. Raises HarnessError, also where it is not ready in time."""
        ...

    async def say(self, text: str) -> None:
        """Say something to it, which it reads at the next boundary of a tool call, or begins a
        turn with. Raises HarnessError."""
        ...

    async def interrupt(self) -> None:
        """End the turn that is running, as soon as it can be."""
        ...

    async def turn(self) -> Ended:
        """The next end of a turn after which nothing that was said is left unread. Raises
        HarnessError where the process is gone."""
        ...

    def quiet_secs(self) -> float:
        """For how long nothing has been heard of it."""
        ...

    def resident_mb(self) -> int:
        """The memory that its process takes, with all that it started; 0 where there is none."""
        ...

    async def close(self) -> None:
        """End the process; nothing is left of it."""
        ...


Make = Callable[[Processes, Place, Hands], Agent]
