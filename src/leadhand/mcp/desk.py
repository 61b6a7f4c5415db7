"""Desk: tool calls of sessions outside this process, each begun, run, answered and kept once.

Law: whose call it is, is what the door says; nothing in a message changes it.
"""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import Struct, field

from leadhand import reach
from leadhand.agent import NATIVE
from leadhand.calling import INTERRUPTED, caller_of, calling
from leadhand.conversation import conversation, fenced
from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ActorId, CallId
from leadhand.domain.text import one_line
from leadhand.errors import StoreError
from leadhand.harness import Means
from leadhand.model import ToolResult, ToolUse
from leadhand.refusals import Refused, Settled
from leadhand.tool import Caller, Tool
from leadhand.tools.call import refused

AGAIN = "interrupted before it was over: call again."
KEY_MAX = 200
# How many answers of an actor are kept for calls that come again.
KEPT_MAX = 200
_encoder = msgspec.json.Encoder()


class Running(Struct):
    """A call that is being run, and how many wait for it."""

    task: "asyncio.Task[ToolResult]"
    waiting: int = 0


class Guest(Struct):
    """One actor whose session is outside. kept: what its calls were answered, by their ids."""

    caller: Caller
    spawned: e.ActorSpawned
    tools: list[Tool]
    stint: int
    kept: dict[CallId, ToolResult] = field(default_factory=dict)
    running: dict[CallId, Running] = field(default_factory=dict)


class Desk:
    """The calls of one run's outside sessions."""

    def __init__(self, means: Means, patience_secs: int | None = None) -> None:
        """patience_secs: the longest that a wait holds; None for as long as it is asked to."""
        self.means, self.patience_secs = means, patience_secs
        self._guests: dict[ActorId, Guest] = {}
        self._opening: dict[ActorId, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._leaving = False

    async def leave(self) -> None:
        """End all calls; what is cut off stays open, for the next owner of the run."""
        self._leaving = True
        for actor in [*self._guests]:
            await self.end(actor)

    async def end(self, actor: ActorId, secs: float = 0.0) -> None:
        """End an actor's calls, which may take so long to end by themselves."""
        guest = self._guests.get(actor)
        tasks = [each.task for each in guest.running.values()] if guest else []
        if tasks:
            await asyncio.wait(tasks, timeout=secs)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def guest(self, actor: ActorId) -> Guest:
        """An actor as it is now. Raises Settled where it has settled."""
        one = self.means.owner.run.actors.get(actor)
        if one is None:
            raise Settled(f"{actor} has settled")
        found = self._guests.get(actor)
        if found is None or found.stint != one.stint:
            async with self._opening[actor]:
                found = self._guests.get(actor)
                if found is None or found.stint != one.stint:
                    found = self._guests[actor] = await self._opened(actor, one.stint)
        return found

    async def _opened(self, actor: ActorId, stint: int) -> Guest:
        one = self.means.owner.run.live(actor)
        offer = await self.means.foreign.offered(one.role, one.agent)
        events = await self.means.owner.history(actor)
        spawned = conversation(events).spawned
        if spawned is None:
            raise Settled(f"{actor} was never spawned")
        settings = spawned.settings
        own = self.means.toolbox.offered(spawned.role, settings.tools or ())
        native = NATIVE[settings.harness or "api"]
        tools = [*(tool for tool in own if tool.name not in native), *offer.tools]
        guest = Guest(caller_of(self.means, spawned), spawned, tools, stint)
        for event in events:
            if isinstance(event, e.ToolReturned):
                keep(guest, ToolResult(event.call, event.content, event.is_error))
        await self._recover(guest)
        return guest

    async def _recover(self, guest: Guest) -> None:
        """Close what an earlier process left open and nothing will finish: waits that nobody holds,
        and what must not be done twice. The rest goes on when it is called again."""
        one = self.means.owner.run.live(guest.caller.actor_id)
        for call, tool in list(one.tools.items()):
            if call in one.waits or tool.effect == "effects":
                words = AGAIN if call in one.waits else INTERRUPTED
                await self._close(guest, ToolResult(call, failed(words), is_error=True))

    async def tools(self, actor: ActorId) -> list[Tool]:
        """The tools that an actor is told of. Raises Settled."""
        guest = await self.guest(actor)
        return reach.told(self.means.owner.run, actor, guest.tools)

    async def call(self, actor: ActorId, name: str, args: dict[str, Any], key: str) -> ToolResult:
        """What one tool call gives, once for each key; whatever goes wrong is a result. Cancelled,
        it ends the call unless another waits for it. Raises StoreError."""
        try:
            guest = await self.guest(actor)
        except Refused as refusal:
            return ToolResult("", refused(refusal), is_error=True)
        call = CallId(one_line(key, KEY_MAX) or f"mcp:{secrets.token_hex(8)}")
        running = guest.running.get(call)
        if running is not None and running.task.cancelling():
            # Its client gave it up a moment ago: what it comes to is what counts.
            await asyncio.wait([running.task])
            running = guest.running.get(call)
        if call in guest.kept:
            return guest.kept[call]
        if running is None:
            work = self._run(guest, ToolUse(call, name, args))
            running = Running(asyncio.create_task(work, name=f"{actor}: {name}"))
            guest.running[call] = running
            running.task.add_done_callback(lambda task: guest.running.pop(call, None))
        running.waiting += 1
        try:
            return await asyncio.shield(running.task)
        except asyncio.CancelledError:
            me = asyncio.current_task()
            if running.task.done() and not (me and me.cancelling()):
                # Its actor is to halt, not its client.
                return ToolResult(call, failed(AGAIN), is_error=True)
            if running.waiting == 1:
                running.task.cancel()
            raise
        finally:
            running.waiting -= 1

    async def _run(self, guest: Guest, use: ToolUse) -> ToolResult:
        owner, toolbox, actor = self.means.owner, self.means.toolbox, guest.caller.actor_id
        tool = toolbox.find(use.name)
        if tool is not None and tool not in guest.tools:
            await self.deny(actor, tool.name, f"it is no tool of a {guest.caller.role} like this")
        intent = toolbox.intent(use)
        try:
            await owner.submit(c.BeginTool(actor, intent))
        except Refused as refusal:
            return ToolResult(use.id, refused(refusal), is_error=True)
        caller = calling(self.means, guest.caller, CallId(use.id))
        try:
            result = await toolbox.call(caller, guest.tools, self._patient(tool, use))
        except asyncio.CancelledError:
            if not self._leaving:
                words = INTERRUPTED if intent.effect == "effects" else AGAIN
                ended = ToolResult(use.id, failed(words), is_error=True)
                with suppress(StoreError):
                    await asyncio.shield(self._close(guest, ended))
            raise
        return await self._answered(guest, result)

    def _patient(self, tool: Tool | None, use: ToolUse) -> ToolUse:
        """The call with a wait that its client has the patience for."""
        if self.patience_secs is None or tool is None or tool.category != "orchestration":
            return use
        # Of a spawn, timeout_secs is the worker's.
        name = "timeout_secs" if tool.effect == "reads" else "wait_secs"
        if name not in tool.arguments.names:
            return use
        return ToolUse(use.id, use.name, within(use.args, name, self.patience_secs))

    async def _answered(self, guest: Guest, result: ToolResult) -> ToolResult:
        """The result with what the actor is to read, both kept before anybody sees them."""
        actor = guest.caller.actor_id
        mail = await self._mail(actor)
        if mail:
            told = as_object(result.content) | {"mail": [fenced(each) for each in mail]}
            result = ToolResult(result.id, _encoder.encode(told).decode(), result.is_error)
        await self._close(guest, result)
        if mail:
            numbers = tuple(each.number for each in mail)
            await self.means.owner.submit(c.DeliverMail(actor, numbers))
        return result

    async def _mail(self, actor: ActorId) -> Sequence[e.MessageSent]:
        one = self.means.owner.run.actors.get(actor)
        numbers = {each.number for each in one.mail} if one else set()
        if not numbers:
            return []
        history = await self.means.owner.history(actor)
        return [
            each for each in history if isinstance(each, e.MessageSent) and each.number in numbers
        ]

    async def _close(self, guest: Guest, result: ToolResult) -> None:
        actor = guest.caller.actor_id
        command = c.RecordToolResult(actor, CallId(result.id), result.content, result.is_error)
        await self.means.owner.submit(command)
        keep(guest, result)

    async def deny(self, actor: ActorId | str, tool: str, why: str) -> None:
        """Record that a caller was turned away, if that can be written: it is either way."""
        with suppress(StoreError):
            await self.means.owner.submit(c.RecordDenial(ActorId(actor), tool, why))


def keep(guest: Guest, result: ToolResult) -> None:
    """Keep an answer for when its call comes again; one that only says so is no answer."""
    if result.content == failed(AGAIN):
        return
    guest.kept[CallId(result.id)] = result
    if len(guest.kept) > KEPT_MAX:
        del guest.kept[next(iter(guest.kept))]


def within(args: dict[str, Any], name: str, most: int) -> dict[str, Any]:
    """The arguments with a time of at most so many seconds; what is no time stays as it is."""
    asked = args.get(name)
    if asked is None:
        return args if name == "wait_secs" else args | {name: most}
    return args | {name: min(asked, most)} if isinstance(asked, int) else args


def failed(message: str) -> str:
    """A failure as a result."""
    return _encoder.encode({"error": {"code": "interrupted", "message": message}}).decode()


def as_object(content: str) -> dict[str, Any]:
    """A result as an object, whatever the tool gave."""
    try:
        found = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return {"text": content}
    return found if isinstance(found, dict) else {"value": found}
