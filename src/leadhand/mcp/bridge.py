"""Bridge: an actor's door over HTTP for a client that speaks only standard input and output.

`python -m leadhand.mcp.bridge`, with the door in LEADHAND_MCP_URL and LEADHAND_MCP_TOKEN.
"""

import asyncio
import os
import sys
from typing import Any

import httpx2
import mcp_types as types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server

from leadhand import __version__
from leadhand.mcp.identity import Context
from leadhand.mcp.served import CALL_ID_META, INSTRUCTIONS

URL, TOKEN = "LEADHAND_MCP_URL", "LEADHAND_MCP_TOKEN"
# The server says that it lives more often than that.
READ_SECS = 300.0


def server(client: Client) -> Server[Any]:
    """A server that asks another one everything."""

    async def list_tools(
        context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return await client.list_tools()

    async def call_tool(
        context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        async def told(progress: float, total: float | None, message: str | None) -> None:
            await context.session.report_progress(progress, total, message)

        # Only what tells calls apart: the rest is between two ends of one connection.
        own = dict(context.meta or {}).get(CALL_ID_META)
        meta: Any = {CALL_ID_META: own} if own else None
        return await client.call_tool(
            params.name, params.arguments, progress_callback=told, meta=meta
        )

    async def list_resources(
        context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        return await client.list_resources()

    async def list_templates(
        context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        return await client.list_resource_templates()

    async def read_resource(
        context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        return await client.read_resource(str(params.uri))

    async def list_prompts(
        context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListPromptsResult:
        return await client.list_prompts()

    async def get_prompt(
        context: Context, params: types.GetPromptRequestParams
    ) -> types.GetPromptResult:
        return await client.get_prompt(params.name, params.arguments)

    return Server(
        "leadhand",
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
    )


async def bridge(url: str, token: str) -> None:
    """Serve on standard input and output what is behind a door, until they close."""
    headers = {"Authorization": f"Bearer {token}"}
    timeout = httpx2.Timeout(30, read=READ_SECS)
    async with (
        httpx2.AsyncClient(headers=headers, timeout=timeout) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
        stdio_server() as (reading, writing),
    ):
        served = server(client)
        await served.run(reading, writing, served.create_initialization_options())


def main() -> None:
    """Bridge the door that the environment names."""
    url, token = os.environ.get(URL, ""), os.environ.get(TOKEN, "")
    if not url or not token:
        sys.exit(f"{URL} and {TOKEN} are to name the door of an actor")
    asyncio.run(bridge(url, token))


if __name__ == "__main__":
    main()
