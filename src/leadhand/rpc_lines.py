"""Rpc lines: JSON-RPC over the lines of a child process, in both directions.

https://www.jsonrpc.org/specification, without the member `jsonrpc`, as Codex writes it.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from leadhand.child import Child
from leadhand.domain.text import one_line
from leadhand.errors import HarnessError

ERROR_MAX = 500
METHOD_NOT_FOUND, INTERNAL_ERROR = -32601, -32603

Params = Mapping[str, Any]
# Answers a request of the other side; raises LookupError where it knows no such method.
Serve = Callable[[str, Params], Awaitable[Any]]
Heard = Callable[[str, Params], None]
_encoder = msgspec.json.Encoder()


class RpcError(HarnessError):
    """The other side refused a request."""


class RpcLines:
    """One connection. heard: is given each notification, in order; serve: answers requests."""

    def __init__(self, child: Child, heard: Heard, serve: Serve) -> None:
        self._child, self._heard, self._serve = child, heard, serve
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self.heard_at = time.monotonic()
        self.over = asyncio.create_task(self._read(), name="rpc")

    async def request(self, method: str, params: Params, secs: float) -> Any:
        """What the other side answers. Raises RpcError where it refuses, HarnessError where it is
        gone or does not answer in time."""
        if self.over.done():
            raise HarnessError(f"{method}: the agent is gone")
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(secs):
                await self._send({"id": number, "method": method, "params": params})
                return await answer
        except TimeoutError as error:
            raise HarnessError(f"{method}: no answer within {secs:g} s") from error
        finally:
            self._waiting.pop(number, None)

    async def notify(self, method: str) -> None:
        """Tell the other side."""
        await self._send({"method": method})

    async def close(self) -> None:
        """End what is under way here; the child is another's to end."""
        for task in (self.over, *self._serving):
            task.cancel()
        await asyncio.gather(self.over, *self._serving, return_exceptions=True)

    async def _send(self, message: Mapping[str, Any]) -> None:
        await self._child.write(_encoder.encode(message) + b"\n")

    async def _read(self) -> None:
        try:
            while (line := await self._child.readline()) is not None:
                self.heard_at = time.monotonic()
                try:
                    message = msgspec.json.decode(line)
                except (msgspec.DecodeError, RecursionError):
                    continue
                if isinstance(message, dict):
                    self._take(message)
        finally:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(HarnessError("the agent is gone"))

    def _take(self, message: dict[str, Any]) -> None:
        method, number = message.get("method"), message.get("id")
        params = message.get("params")
        params = params if isinstance(params, dict) else {}
        if isinstance(method, str) and number is not None:
            task = asyncio.create_task(self._answer(method, number, params), name=method)
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        elif isinstance(method, str):
            self._heard(method, params)
        elif isinstance(number, int) and (answer := self._waiting.get(number)) is not None:
            if answer.done():
                return
            if "error" in message:
                said = message["error"]
                said = said.get("message") if isinstance(said, dict) else said
                answer.set_exception(RpcError(one_line(str(said), ERROR_MAX)))
            else:
                answer.set_result(message.get("result"))

    async def _answer(self, method: str, number: Any, params: Params) -> None:
        answer: dict[str, Any] = {"id": number}
        try:
            answer["result"] = await self._serve(method, params)
        except LookupError:
            answer["error"] = {"code": METHOD_NOT_FOUND, "message": f"no method {method}"}
        except Exception as error:  # noqa: BLE001 (the other side is to hear of it, whatever it is)
            said = one_line(f"{type(error).__name__}: {error}", ERROR_MAX)
            answer["error"] = {"code": INTERNAL_ERROR, "message": said}
        try:
            await self._send(answer)
        except HarnessError:
            return
