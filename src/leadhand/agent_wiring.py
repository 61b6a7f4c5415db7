"""Agent wiring: the only file that knows all the coding agents, and what each is given."""

import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from leadhand.agent import Hands, Make
from leadhand.agent_session import Kit
from leadhand.domain.ids import ActorId
from leadhand.domain.manifest import HarnessName
from leadhand.errors import ModelError, UsageError
from leadhand.folder import Folder
from leadhand.gateway.door import ModelDoor
from leadhand.harness import Door, Harness, Means
from leadhand.harnesses.agents import AgentHarness
from leadhand.mcp.desk import Desk
from leadhand.refusals import Refused
from leadhand.room import Rooms, free_mb
from leadhand.tokens import Tokens
from leadhand.tool import After, Caller
from leadhand.tools.gate import gate
from leadhand.tools.native import Natives

if TYPE_CHECKING:
    from leadhand.mcp.http import HttpDoors

# What the process of an agent takes of memory, in MB, as it was seen to.
EXPECTED_MB: dict[HarnessName, int] = {"claude-code": 300, "codex": 200}
NO_CLAUDE = "Claude Code takes its SDK: pip install 'leadhand[claude]'"


class AgentDoors:
    """Where agents find models, and tools where they take them over MCP: see `harness.Doors`. Both
    doors know them by one token."""

    def __init__(
        self, models: ModelDoor, tokens: Tokens, desk: Desk, tools: "HttpDoors | None" = None
    ) -> None:
        self._models, self._tokens, self._desk, self._tools = models, tokens, desk, tools

    async def open(self, actor: ActorId) -> Door:
        """See `harness.Doors.open`."""
        await self._models.start()
        self._models.forget(actor)
        # Before anything of this session is begun: what is open then, an earlier one has left.
        await self._desk.guest(actor)
        if self._tools is None:
            return Door("", self._tokens.issue(actor), self._models.url)
        return replace(await self._tools.open(actor), models_url=self._models.url)

    def close(self, actor: ActorId) -> None:
        """See `harness.Doors.close`."""
        self._tokens.revoke(actor)

    def trouble(self, actor: ActorId) -> Refused | ModelError | None:
        """See `harness.Doors.trouble`."""
        return self._models.refusal(actor)


def agent_harness(
    name: HarnessName, means: Means, doors: AgentDoors, desk: Desk, after: After, folder: Folder
) -> Harness:
    """The harness of a coding agent. Raises UsageError where what it takes is not installed."""

    def hands(caller: Caller, tools: tuple[str, ...], home: Path) -> Hands:
        natives = Natives(means, caller, tools, gate(means.owner), after, home)
        return natives.hands(desk.call)

    made = maker(name)
    kit = Kit(means, doors, made, hands, folder.agents, rooms(), EXPECTED_MB[name])
    return AgentHarness(kit)


def rooms() -> Rooms:
    """The room of this machine; each thread's event loop sees it by itself, as `governor` does."""
    return _rooms_of(threading.get_ident())


@cache
def _rooms_of(thread: int) -> Rooms:
    return Rooms(free_mb)


def maker(name: HarnessName) -> Make:
    """What makes sessions of a coding agent. Raises UsageError."""
    if name == "codex":
        from leadhand.harnesses.codex import Codex

        return Codex
    try:
        from leadhand.harnesses.claude_code import ClaudeCode
    except ImportError as error:
        raise UsageError(NO_CLAUDE) from error
    return ClaudeCode
