"""Native: the calls that a coding agent makes of tools of its own, held to the same rules as ours.

They are asked about before they run, and looked at afterwards; what they do is the agent's.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from leadhand.agent import Hands
from leadhand.calling import calling
from leadhand.domain.ids import ActorId, CallId
from leadhand.domain.text import one_line
from leadhand.errors import LeadhandError, StoreError
from leadhand.harness import Means
from leadhand.model import ToolResult
from leadhand.refusals import Refused, ToolNotAllowed
from leadhand.tool import After, Caller, Gate, Tool
from leadhand.tools.work import paths
from leadhand.tools.work.write import writable

WRITING, READING = ("Write", "Edit"), ("Read", "Glob", "Grep")
SAID_MAX = 2_000

# Carries out a call of one of our tools: whose, which, with what, and under which id.
Calls = Callable[[ActorId, str, dict[str, Any], str], Awaitable[ToolResult]]


class Natives:
    """The calls that one actor's agent makes of tools of its own.

    tools: those that the actor has. home: where the agent keeps its own files, which it may read.
    """

    def __init__(
        self,
        means: Means,
        caller: Caller,
        tools: tuple[str, ...],
        gate: Gate,
        after: After,
        home: Path,
    ) -> None:
        self._means, self._tools, self._gate, self._look = means, tools, gate, after
        self._caller = replace(caller, readable=(*caller.readable, home))

    def hands(self, calls: Calls) -> Hands:
        """What the agent is given. calls: carries out those of our tools."""
        actor = self._caller.actor_id
        return Hands(
            ask=self.ask,
            after=self.after,
            call=lambda call, name, args: calls(actor, name, args, call),
        )

    async def ask(self, call: str, name: str, args: dict[str, Any]) -> str:
        """See `agent.Hands`."""
        caller = calling(self._means, self._caller, CallId(call))
        try:
            tool = self._known(name)
            confined(caller, tool.name, args)
            await self._gate(caller, tool, args)
        except StoreError:
            raise
        except Refused as refusal:
            return one_line(f"{refusal.message} {refusal.next_step}".strip(), SAID_MAX)
        except (LeadhandError, OSError, ValueError) as error:
            return one_line(str(error), SAID_MAX)
        return ""

    async def after(self, call: str, name: str) -> str:
        """See `agent.Hands`."""
        tool = self._means.toolbox.find(name)
        if tool is None:
            return ""
        return await self._look(calling(self._means, self._caller, CallId(call)), tool)

    def _known(self, name: str) -> Tool:
        tool = self._means.toolbox.find(name)
        if tool is None or tool.name not in self._tools:
            raise ToolNotAllowed(
                f"{one_line(name, 80)} is no tool of yours here",
                f"Of your own tools you may use: {', '.join(self._tools) or 'none'}.",
            )
        return tool


def confined(caller: Caller, name: str, args: dict[str, Any]) -> None:
    """Refuse a file that the same tool of ours would not touch. Raises Refused."""
    if name in WRITING:
        writable(caller, str(args.get("file_path") or ""))
    elif name in READING:
        asked = args.get("file_path") or args.get("path") or "."
        paths.resolve(caller, str(asked))
