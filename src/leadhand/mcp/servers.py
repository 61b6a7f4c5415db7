"""Servers: other people's MCP servers of one run, and their tools as actors are offered them.

Each is connected when the first actor to whom it is offered begins its session, and is asked for
its tools once in a run of this process.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import mcp_types as types
from mcp.client.session import ClientSession
from mcp.shared.exceptions import MCPError
from msgspec import Struct

from leadhand.domain import commands as c
from leadhand.domain.manifest import McpServer
from leadhand.domain.text import one_line
from leadhand.harness import Foreign, Offer
from leadhand.mcp import answers
from leadhand.mcp.connection import Connection, Lost, seen
from leadhand.mcp.foreign import DESCRIPTION_MAX, Described, clean, names_of, schema_of
from leadhand.mcp.roads import Road
from leadhand.refusals import ToolFailed
from leadhand.tool import EVERYONE, Caller, Tool

CATEGORY = "mcp"
OPEN_SECS = 30.0
LIST_SECS = 30.0
TOOLS_MAX = 128
PAGES_MAX = 64
# How long is waited before a server that failed twice and more is tried again, at most.
PAUSE_MAX_SECS = 30.0
WHY_MAX = 500


class Listed(Struct, frozen=True):
    """What a server was found to have. left_out: why its other tools are not offered."""

    tools: tuple[Tool, ...]
    left_out: tuple[str, ...] = ()


class Server:
    """One server of a run, shared by all its actors."""

    def __init__(self, spec: McpServer, road: Callable[[], Road]) -> None:
        """road: makes a new way to it."""
        self.spec, self._road = spec, road
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[Connection] | None = None
        self._listing: asyncio.Task[Listed] | None = None
        self._failures = 0
        self._closed = False

    async def listed(self) -> Listed:
        """Its tools, found out once. Raises Lost; the next who asks tries again."""
        if self._listing is None or failed(self._listing):
            self._listing = asyncio.create_task(self._list(), name=f"{self.spec.name}: tools")
            self._listing.add_done_callback(seen)
        return await asyncio.shield(self._listing)

    async def call(self, tool: str, args: dict[str, Any]) -> types.CallToolResult:
        """One call of a tool by the server's own name of it. Raises ToolFailed."""
        server, secs = f"the MCP server {self.spec.name}", self.spec.timeout_secs
        request = types.CallToolRequest(
            params=types.CallToolRequestParams(name=tool, arguments=args)
        )
        connection: Connection | None = None
        try:
            async with asyncio.timeout(secs):
                connection = await self._connected()
                try:
                    found = await asked(connection, request)
                except Lost:
                    if not connection.road.fresh:
                        raise
                    # It was started anew and has heard nothing of this call.
                    connection = await self._connected()
                    found = await asked(connection, request)
            self._failures = 0
            return found
        except TimeoutError as error:
            if connection is None:
                raise ToolFailed(f"{server} could not be reached within {secs} s") from error
            if not await connection.answers():
                await self._drop(connection)
            why = f"{server} did not answer within {secs} s: what the call has done is not known"
            raise ToolFailed(why) from error
        except Lost as error:
            began = "" if connection is None else "; what the call has done is not known"
            said = answers.fenced(self.spec.name, error.words)
            why = f"{server} is not there: {error.message}{began}"
            raise ToolFailed(why + f"; it said last:\n{said}" * bool(error.words)) from error
        except MCPError as error:
            said = answers.fenced(self.spec.name, clean(error.message, WHY_MAX))
            raise ToolFailed(f"{server} refused:\n{said}") from error
        except ValueError as error:
            why = f"{server} gave nothing that is the result of a call"
            raise ToolFailed(why) from error

    async def close(self) -> None:
        """Let go of it."""
        self._closed = True
        for task in (self._listing, self._connecting):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if self._connection is not None:
            await self._connection.close()

    async def _connected(self) -> Connection:
        """A connection, a new one where there is none. Raises Lost. Whoever waits for it and is
        cancelled leaves it to others."""
        if self._connection is not None and not self._connection.over:
            return self._connection
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._connect(), name=self.spec.name)
            self._connecting.add_done_callback(seen)
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> Connection:
        if self._connection is not None:
            await self._drop(self._connection)
        if self._failures > 1:
            await asyncio.sleep(min(PAUSE_MAX_SECS, 2.0 ** (self._failures - 2)))
        if self._closed:
            raise Lost("the run is closed")
        self._failures += 1
        connection = Connection(self._road())
        try:
            async with asyncio.timeout(OPEN_SECS):
                await connection.opened()
        except BaseException as error:
            await connection.close()
            if isinstance(error, TimeoutError):
                raise Lost(f"it did not answer within {OPEN_SECS:.0f} s") from error
            raise
        self._connection = connection
        return connection

    async def _drop(self, connection: Connection) -> None:
        if self._connection is connection:
            self._connection = None
        await connection.close()

    async def _list(self) -> Listed:
        try:
            connection = await self._connected()
            async with asyncio.timeout(LIST_SECS):
                found = await connection.ask(every)
        except TimeoutError as error:
            raise Lost(f"it did not list its tools within {LIST_SECS:.0f} s") from error
        except (MCPError, ValueError) as error:
            raise Lost("it did not list its tools", one_line(str(error), WHY_MAX)) from error
        self._failures = 0
        return self._offered(found)

    def _offered(self, found: list[types.Tool]) -> Listed:
        """The tools that are offered, as actors have them, and what is wrong with the others."""
        spec = self.spec
        wanted = [each for each in found if fits(each.name, spec.tools)]
        names = names_of(spec.name, (each.name for each in wanted))
        tools: dict[str, Tool] = {}
        left_out = []
        for each in wanted:
            own = clean(each.name, 100)
            if len(tools) == TOOLS_MAX:
                left_out.append(f"{own}: it has more than {TOOLS_MAX} tools")
            elif names[each.name] in tools:
                left_out.append(f"{own}: another tool has its name")
            else:
                try:
                    tools[names[each.name]] = self._tool(names[each.name], each)
                except ValueError as error:
                    left_out.append(f"{own}: {error}")
        return Listed(tuple(tools.values()), tuple(left_out))

    def _tool(self, name: str, found: types.Tool) -> Tool:
        """A tool of the server as one of ours. Raises ValueError where it does not fit."""
        own, server = found.name, self.spec.name

        async def handler(caller: Caller, args: dict[str, Any]) -> str:
            result = await self.call(own, args)
            told = await answers.told(server, result, caller.blobs)
            if result.is_error:
                raise ToolFailed(told)
            return told

        words = clean(found.description or found.title or own, DESCRIPTION_MAX)
        return Tool(
            name=name,
            description=f"A tool of the MCP server {server}, which says of it:\n{words}",
            args=Described(schema_of(found.input_schema)),
            roles=EVERYONE,
            effect="reads" if fits(own, self.spec.reads) else "effects",
            category=CATEGORY,
            handler=handler,
        )


class Servers(Foreign):
    """The servers of one run; see `harness.Foreign`."""

    def __init__(
        self,
        specs: Iterable[McpServer],
        road: Callable[[McpServer], Road],
        known: Callable[[Iterable[Tool]], None],
        record: Callable[[c.RecordServer], Awaitable[object]],
    ) -> None:
        """road: makes a new way to a server. known: is told of tools before they are offered.
        record: keeps what was found."""
        # What the library has to say of a stranger's messages is nobody's terminal's.
        logging.getLogger("mcp").addHandler(logging.NullHandler())
        self._known, self._record = known, record
        self._servers = [Server(each, partial(road, each)) for each in specs]

    async def offered(self, role: str, agent: str) -> Offer:
        """See `harness.Foreign.offered`."""
        chosen = [each for each in self._servers if each.spec.serves(role, agent)]
        found = await asyncio.gather(*(self._listed(each) for each in chosen))
        tools = tuple(tool for each in found for tool in each.tools)
        return Offer(tools, tuple(why for each in found for why in each.missing))

    async def _listed(self, server: Server) -> Offer:
        try:
            found = await server.listed()
        except Lost as error:
            await self._record(c.RecordServer(server.spec.name, trouble=error.whole))
            return Offer(missing=(server.spec.name,))
        names = tuple(tool.name for tool in found.tools)
        await self._record(c.RecordServer(server.spec.name, names, found.left_out))
        self._known(found.tools)
        return Offer(found.tools)

    async def close(self) -> None:
        """Let go of all of them; programs are ended."""
        await asyncio.gather(*(each.close() for each in self._servers))


async def asked(connection: Connection, request: types.CallToolRequest) -> types.CallToolResult:
    """A call's result. The server's own schema of it is not looked at. Raises Lost, MCPError,
    ValueError."""
    return await connection.ask(lambda session: session.send_request(request, types.CallToolResult))


async def every(session: ClientSession) -> list[types.Tool]:
    """All tools that a server lists, page by page, as far as there is an end to it."""
    found: list[types.Tool] = []
    cursor: str | None = None
    for _ in range(PAGES_MAX):
        page = await session.list_tools(params=types.PaginatedRequestParams(cursor=cursor))
        found += page.tools
        cursor = page.next_cursor
        if cursor is None:
            break
    return found


def fits(name: str, globs: Iterable[str]) -> bool:
    """Whether a name fits one of the globs."""
    return any(fnmatchcase(name, glob) for glob in globs)


def failed(task: "asyncio.Task[Listed]") -> bool:
    """Whether a task is over without a result."""
    return task.done() and (task.cancelled() or task.exception() is not None)
