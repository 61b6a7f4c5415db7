"""Agent wiring: the only file that knows all the coding agents, and what each is given."""

from pathlib import Path

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
from leadhand.mcp.http import HttpDoors
from leadhand.refusals import Refused
from leadhand.tool import After, Caller
from leadhand.tools.gate import gate
from leadhand.tools.native import Natives

NO_CLAUDE = "Claude Code takes its SDK: pip install 'leadhand[claude]'"


class AgentDoors:
    """Where agents find tools and models: see `harness.Doors`. Both know them by one token."""

    def __init__(self, tools: HttpDoors, models: ModelDoor) -> None:
        self._tools, self._models = tools, models

    async def open(self, actor: ActorId) -> Door:
        """See `harness.Doors.open`."""
        await self._models.start()
        door = await self._tools.open(actor)
        return replace(door, models_url=self._models.url)

    def close(self, actor: ActorId) -> None:
        """See `harness.Doors.close`."""
        self._tools.close(actor)

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

    return AgentHarness(Kit(means, doors, maker(name), hands, folder.agents))


def maker(name: HarnessName) -> Make:
    """What makes sessions of a coding agent. Raises UsageError."""
    try:
        from leadhand.harnesses.claude_code import ClaudeCode
    except ImportError as error:
        raise UsageError(NO_CLAUDE) from error
    return ClaudeCode
