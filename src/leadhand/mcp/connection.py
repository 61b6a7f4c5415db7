"""Connection: one connection to a server that is not ours, held by a task of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import mcp_types as types
from mcp import Client
from mcp.client.session import ClientSession
from mcp.shared.exceptions import MCPError

from leadhand import __version__
from leadhand.domain.text import one_line
from leadhand.errors import LeadhandError
from leadhand.mcp.roads import Road

WHY_MAX = 300
CLOSE_SECS = 10.0
# A server that does not even answer this in time hangs.
PING_SECS = 5.0
GONE = "it is gone"
REFUSED = "it refused to begin"
T = TypeVar("T")


class Lost(LeadhandError):
    """The server is not there, or is no more. words: what it said of that itself, which is a
    stranger's."""

    def __init__(self, message: str, words: str = "") -> None:
        super().__init__(message)
        self.words = words

    @property
    def whole(self) -> str:
        """All of it, for people."""
        return self.message + f"; it said last: {self.words}" * bool(self.words)


class Connection:
    """Open from when `opened` returns until the server is gone or `close` is called."""

    def __init__(self, road: Road) -> None:
        self.road = road
        self._opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        self._why, self._words = GONE, ""
        self._held = asyncio.create_task(self._hold(), name="mcp server")

    @property
    def over(self) -> bool:
        """Whether it is of no use any more."""
        return self._held.done() or self.road.lost.is_set() or self._stop.is_set()

    async def opened(self) -> None:
        """Wait until the server has said what it speaks. Raises Lost."""
        either: list[asyncio.Future[Any]] = [self._opened, self._held]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not self._opened.done():
            raise self.why_lost()

    async def ask(self, question: Callable[[ClientSession], Awaitable[T]]) -> T:
        """Ask the server something. Raises Lost where it does not get to answer, and what the
        question raises: MCPError, ValueError."""
        if not self._opened.done():
            raise self.why_lost()
        session = self._opened.result().session
        asking = asyncio.ensure_future(question(session))
        try:
            either: list[asyncio.Future[Any]] = [asking, self._held]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise self.why_lost()
            return asking.result()
        except MCPError as error:
            if error.code == types.CONNECTION_CLOSED or self.road.lost.is_set():
                raise self.why_lost() from error
            raise
        finally:
            if not asking.done():
                asking.cancel()
                # Nobody waits for it: a server that hangs does not even take that it may stop.
                asking.add_done_callback(seen)

    async def answers(self) -> bool:
        """Whether the server answers anything at all, if only that it does not know a ping."""
        try:
            async with asyncio.timeout(PING_SECS):
                await self.ask(lambda session: session.send_ping())
        except MCPError:
            return True
        except (Lost, TimeoutError, ValueError):
            return False
        return True

    def why_lost(self) -> Lost:
        """What is known of why the server is not there."""
        return Lost(self._why, self._words or self.road.last_words())

    async def _hold(self) -> None:
        waits: list[asyncio.Task[bool]] = []
        try:
            async with Client(
                self.road.streams(),
                cache=None,
                client_info=types.Implementation(name="leadhand", version=__version__),
            ) as client:
                self._opened.set_result(client)
                waits = [asyncio.create_task(each.wait()) for each in (self._stop, self.road.lost)]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        except Exception as error:  # noqa: BLE001 (whatever a stranger's server brings about)
            self._why, self._words = reason(error)
        finally:
            self.road.lost.set()
            for each in waits:
                each.cancel()

    async def close(self) -> None:
        """Let go of the server; a program is ended. It takes a bounded time."""
        self._stop.set()
        if not self._opened.done():
            self._held.cancel()
        done, _ = await asyncio.wait({self._held}, timeout=CLOSE_SECS)
        if not done:
            self._held.cancel()
            await asyncio.wait({self._held}, timeout=CLOSE_SECS)


def reason(error: BaseException) -> tuple[str, str]:
    """What went wrong, and in which words a stranger may have had a hand: the first that is behind
    it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, MCPError):
        told = "" if error.code == types.CONNECTION_CLOSED else error.message
        return (REFUSED if told else GONE), one_line(told, WHY_MAX)
    if isinstance(error, LeadhandError | OSError | ValueError):
        return one_line(str(error) or type(error).__name__, WHY_MAX), ""
    return f"it cannot be reached ({type(error).__name__})", one_line(str(error), WHY_MAX)


def seen(task: "asyncio.Future[Any]") -> None:
    """Take note of how something ended for which perhaps nobody waits any more."""
    if not task.cancelled():
        task.exception()
