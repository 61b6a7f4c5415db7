"""Call: the one road of every tool call: alias, role, parse, approval, run, cap."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from leadhand.domain.events import Intent
from leadhand.domain.ids import CallId
from leadhand.domain.text import one_line
from leadhand.errors import LeadhandError, StoreError
from leadhand.model import ToolResult, ToolSchema, ToolUse
from leadhand.refusals import InvalidArguments, Refused, UnknownTool
from leadhand.tool import After, Caller, Gate, Role, Tool

# A whole page of Read passes, with what it says below.
RESULT_MAX = 61_000
REFUSAL_MAX = 4_000
STEP_READ_MAX = 10_000
PREFIXES = ("mcp__leadhand__", "mcp__pitboss__")

_encoder = msgspec.json.Encoder()


class Toolbox:
    """The tools of a run, found by name or alias."""

    def __init__(
        self, tools: Iterable[Tool], gate: Gate | None = None, after: After | None = None
    ) -> None:
        """gate: what each call passes before it runs; it raises Refused. after: what there is to
        add to a result."""
        self._gate, self._after = gate, after
        self._by_name: dict[str, Tool] = {}
        self._schemas: dict[str, ToolSchema] = {}
        self.add(tools)

    def add(self, tools: Iterable[Tool]) -> None:
        """Know these too, from now on."""
        for tool in tools:
            for name in (tool.name, *tool.aliases):
                self._by_name[name] = tool
            self._schemas[tool.name] = schema_of(tool)

    def offered(self, role: Role, work_tools: Sequence[str]) -> list[Tool]:
        """The tools that an actor has: those of its role, and the work tools it was given."""
        found = {tool.name: tool for tool in self._by_name.values()}
        return [
            tool
            for tool in found.values()
            if role in tool.roles and (tool.category == "orchestration" or tool.name in work_tools)
        ]

    def schemas(self, tools: Iterable[Tool]) -> list[ToolSchema]:
        """The tools as a model sees them."""
        return [self._schemas[tool.name] for tool in tools]

    def find(self, name: str) -> Tool | None:
        """The tool of a name, an alias, or either behind a known prefix."""
        for prefix in PREFIXES:
            name = name.removeprefix(prefix)
        return self._by_name.get(name)

    def intent(self, use: ToolUse) -> Intent:
        """What a tool call is about to do, as the log keeps it."""
        tool = self.find(use.name)
        step = f"{tool.name if tool else use.name} {gist(use.args)}".strip()
        # What cannot be read is not run, so it is no effect that a crash could leave in doubt.
        effect = tool.effect if tool and not use.invalid else "reads"
        return Intent(CallId(use.id), tool.name if tool else use.name, effect, step)

    async def call(self, caller: Caller, offered: Sequence[Tool], use: ToolUse) -> ToolResult:
        """Run one tool call; whatever goes wrong in it is a result that the model can act on."""
        try:
            tool = self.find(use.name)
            if tool is None or tool not in offered:
                known = ", ".join(each.name for each in offered)
                raise UnknownTool(
                    f"there is no tool {one_line(use.name, 80)} here", f"Your tools are: {known}."
                )
            if use.invalid:
                raise unreadable(tool, use.invalid)
            args = parsed(tool, use.args)
            if self._gate is not None:
                await self._gate(caller, tool, args)
            content = await capped(caller, unicode(shown(await tool.handler(caller, args))))
            if self._after is not None:
                content += unicode(await self._after(caller, tool))
            return ToolResult(use.id, content)
        except Refused as refusal:
            return ToolResult(use.id, refused(refusal), is_error=True)
        except StoreError:
            raise
        except (LeadhandError, OSError) as error:
            return ToolResult(use.id, failed(one_line(str(error), 1_000)), is_error=True)

    async def tidy(self, caller: Caller, use: ToolUse) -> None:
        """See `harness.ToolRoad.tidy`. What cannot be removed stays."""
        tool = self.find(use.name)
        if tool is not None and tool.tidy is not None:
            with suppress(LeadhandError, OSError):
                await asyncio.to_thread(tool.tidy, caller, parsed(tool, use.args))


def gist(args: dict[str, Any]) -> str:
    """The argument that tells people most: a label, else the first that is made of words."""
    for value in (args.get("label"), *args.values()):
        words = value[:100] if isinstance(value, list) else [value]
        if words and words[0] and all(isinstance(word, str) for word in words):
            return " ".join(words)[:STEP_READ_MAX]
    return ""


def schema_of(tool: Tool) -> ToolSchema:
    """A tool as a model sees it.

    Raises RecursionError where a type of its arguments contains itself.
    """
    return ToolSchema(tool.name, tool.description, tool.arguments.schema)


def parsed(tool: Tool, args: dict[str, Any]) -> Any:
    """The arguments as the tool's handler takes them. Raises InvalidArguments, which names the
    field."""
    try:
        _encoder.encode(args)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidArguments(f"{tool.name}: {one_line(str(error), 500)}") from error
    try:
        return tool.arguments.read(args)
    except ValueError as error:
        fields = ", ".join(tool.arguments.names)
        raise InvalidArguments(
            f"{tool.name}: {one_line(str(error), 500)}", f"Its arguments are: {fields}."
        ) from error


def unreadable(tool: Tool, arguments: str) -> InvalidArguments:
    """The refusal of arguments that are not a JSON object: most often the answer was cut."""
    fields = ", ".join(tool.arguments.names)
    return InvalidArguments(
        f"{tool.name}: the arguments are not a JSON object, so nothing was run; they end in "
        f"{one_line(arguments[-100:], 100)}",
        "Call again with one JSON object; if your answer was cut, with a shorter one. "
        f"Its arguments are: {fields}.",
    )


def shown(result: Any) -> str:
    """A result as text."""
    return result if isinstance(result, str) else _encoder.encode(result).decode()


def unicode(text: str) -> str:
    """The text with what no encoding holds escaped, as the names of some files do."""
    return text.encode(errors="backslashreplace").decode()


async def capped(caller: Caller, content: str) -> str:
    """The content, or its beginning and where the whole can be read in pages."""
    if len(content) <= RESULT_MAX:
        return content
    pointer = await caller.blobs.put(content.encode())
    return (
        f"{content[:RESULT_MAX]}\n[cut: {len(content)} characters in all; "
        f'the whole is at "{pointer}": Read it with offset and limit]'
    )


def refused(refusal: Refused) -> str:
    """A refusal as a result: code, what is wrong, what to do next."""
    body = {"code": refusal.code, "message": refusal.message, "next": refusal.next_step}
    told = {key: unicode(text[:REFUSAL_MAX]) for key, text in body.items() if text}
    return _encoder.encode({"error": told}).decode()


def failed(message: str) -> str:
    """A failure that is not a refusal."""
    told = {"code": "tool_failed", "message": unicode(message)}
    return _encoder.encode({"error": told}).decode()
