"""Served: what an MCP client is told of a run: tools, calls, resources, prompts."""

import asyncio
from contextlib import suppress
from typing import Any

import mcp_types as types
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError

from leadhand import __version__
from leadhand.errors import StoreError
from leadhand.mcp import prompts, resources
from leadhand.mcp.desk import Desk, as_object
from leadhand.mcp.identity import Context, Identity
from leadhand.model import ToolResult
from leadhand.refusals import Refused
from leadhand.tool import Tool

# How often a client that asked for it hears that its call goes on.
PROGRESS_SECS = 5.0
# Where Claude Code says which of its model's calls this is.
CALL_ID_META = "claudecode/toolUseId"
INSTRUCTIONS = (
    "The tools of one actor of a Leadhand run. A refusal says what to do next. Where a result "
    "holds `mail`, read it: it is from your lead or the operator."
)


def server(desk: Desk, identity: Identity, progress_secs: float = PROGRESS_SECS) -> Server[Any]:
    """The MCP server of a run."""

    async def list_tools(
        context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        actor, _ = identity(context)
        try:
            tools = await desk.tools(actor)
        except Refused as refusal:
            raise MCPError(types.INVALID_REQUEST, refusal.message) from refusal
        schemas = desk.means.toolbox.schemas(tools)
        return types.ListToolsResult(
            tools=[told(tool, each.schema) for tool, each in zip(tools, schemas, strict=True)]
        )

    async def call_tool(
        context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        actor, session = identity(context)
        beating = asyncio.create_task(beat(context, params.name, progress_secs))
        try:
            given = await desk.call(
                actor, params.name, params.arguments or {}, key(context, session)
            )
        except StoreError as error:
            raise MCPError(types.INTERNAL_ERROR, error.message) from error
        finally:
            beating.cancel()
        return answer(given)

    return Server(
        "leadhand",
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        **resources.handlers(desk, identity),
        **prompts.handlers(desk, identity),
    )


async def beat(context: Context, tool: str, secs: float) -> None:
    """Tell a client that asked for it, again and again, that its call goes on."""
    count = 0
    # A client that went away ends its call by itself.
    with suppress(Exception):
        while True:
            await asyncio.sleep(secs)
            count += 1
            message = f"{tool} goes on, {round(count * secs)} s"
            await context.session.report_progress(float(count), message=message)


def key(context: Context, session: str) -> str:
    """What makes a call that comes again the same: its client's own id of it, else that of its
    request where it has a session; else nothing does. A tool with a key of its own reads that."""
    meta: dict[str, Any] = dict(context.meta or {})
    own = meta.get(CALL_ID_META)
    if isinstance(own, str) and own:
        return own
    return f"{session}:{context.request_id}" if session else ""


def told(tool: Tool, schema: dict[str, Any]) -> types.Tool:
    """A tool as a client is told of it."""
    hints = types.ToolAnnotations(
        read_only_hint=tool.effect == "reads", idempotent_hint=tool.effect != "effects"
    )
    return types.Tool(
        name=tool.name, description=tool.description, input_schema=schema, annotations=hints
    )


def answer(given: ToolResult) -> types.CallToolResult:
    """A result as an object, and as the same in text."""
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=given.content)],
        structured_content=as_object(given.content),
        is_error=given.is_error,
    )
