"""Lead kit: a run with a real engine over a store in memory, and its lead calling tools.

No session runs: what workers do is recorded by hand, so that a test says when it happens.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.manifest import Manifest, Settings
from leadhand.domain.money import Usage
from leadhand.engine.clock import Clock, SystemClock
from leadhand.engine.engine import Engine
from leadhand.folder import Folder
from leadhand.model import ToolResult, ToolUse
from leadhand.processes import Processes
from leadhand.run_blobs import RunBlobs
from leadhand.stores.codec import NO_SECRETS
from leadhand.stores.memory import MemoryStore
from leadhand.tool import Caller, Role, Tool
from leadhand.tools.call import Toolbox
from leadhand.tools.gate import gate
from leadhand.tools.orchestration import orchestration
from leadhand.tools.work.table import WORK_TOOLS
from tests.rules.world import manifest

RUN = "a-run"
T = TypeVar("T")


class Calling:
    """Calls tools as an actor of a run."""

    def __init__(self, engine: Engine, store: MemoryStore, root: Path, extra: list[Tool]) -> None:
        self.engine, self.store, self.root = engine, store, root
        self.folder = Folder(root.parent / "run")
        tools = [*WORK_TOOLS, *orchestration(engine, self.folder), *extra]
        self.toolbox = Toolbox(tools, gate(engine))
        self.numbers = 0

    def caller(self, actor: str = ROOT, role: Role = "lead", call: str = "") -> Caller:
        """Who calls."""
        self.numbers += 1
        return Caller(
            actor_id=ActorId(actor),
            role=role,
            call_id=CallId(call or f"use{self.numbers}"),
            root=self.root,
            roots=(self.root, self.root.parent / "added"),
            readable=(),
            env={},
            blobs=RunBlobs(self.store, RUN, NO_SECRETS),
            processes=Processes(RUN, self.folder.path),
        )

    async def result(
        self, tool: str, args: Any = None, *, call: str = "", actor: str = ROOT, role: Role = "lead"
    ) -> ToolResult:
        """What a tool call gives, as the model gets it."""
        caller = self.caller(actor, role, call)
        offered = self.toolbox.offered(role, ("Read", "Write"))
        use = ToolUse(caller.call_id, tool, {} if args is None else args)
        return await self.toolbox.call(caller, offered, use)

    async def call(
        self, tool: str, args: Any = None, *, call: str = "", actor: str = ROOT
    ) -> dict[str, Any]:
        """What a tool call of a lead gives when it goes well."""
        role: Role = "lead" if actor == ROOT else "sublead"
        result = await self.result(tool, args, call=call, actor=actor, role=role)
        assert not result.is_error, result.content
        found: dict[str, Any] = msgspec.json.decode(result.content)
        return found

    async def refused(self, tool: str, args: Any = None, **given: Any) -> dict[str, str]:
        """What a tool call gives when it is refused: code, message and what to do next."""
        result = await self.result(tool, args, **given)
        assert result.is_error, result.content
        found: dict[str, dict[str, str]] = msgspec.json.decode(result.content)
        return found["error"]

    async def spawn(self, **args: Any) -> str:
        """A worker of the lead."""
        found = await self.call("spawn_worker", {"prompt": "do it"} | args)
        worker: str = found["worker_id"]
        return worker

    async def turn(
        self,
        actor: str,
        words: str = "",
        usage: Usage = Usage(100, 20),  # noqa: B008
        asks: tuple[str, ...] = (),
    ) -> None:
        """A turn of an actor. asks: the ids of the tool calls of its answer."""
        self.numbers += 1
        call = CallId(f"turn{self.numbers}")
        await self.engine.submit(c.AdmitCall(ActorId(actor), call, 10))
        intents = tuple(e.Intent(CallId(each), "Read", "keyed") for each in asks)
        turn = c.RecordTurn(ActorId(actor), call, "[]", usage, "end_turn", intents, words)
        await self.engine.submit(turn)

    async def settle(
        self, actor: str, final: str = "done", outcome: c.Outcome = "completed", error: str = ""
    ) -> None:
        """The end of an actor."""
        await self.engine.submit(c.RecordExit(ActorId(actor), outcome, final, error))

    async def log(self) -> list[e.Event]:
        """Every durable event."""
        return [stamped.event for stamped in await self.engine.stamped()]


async def led(
    root: Path,
    deed: Callable[[Calling], Awaitable[T]],
    *,
    asked: Manifest | None = None,
    store: MemoryStore | None = None,
    extra: list[Tool] | None = None,
    clock: Clock | None = None,
    **given: Any,
) -> T:
    """Begin a run whose lead works in `root`, and do something in it."""
    (root.parent / "added").mkdir(exist_ok=True)
    store = store or MemoryStore()
    await store.create(RUN, "")
    engine = await Engine.open(store, RUN, clock or SystemClock(), "test")
    try:
        await engine.submit(c.OwnRun(engine.epoch, "test"))
        lead = Settings(directory=str(root))
        await engine.submit(c.StartRun(RUN, asked or manifest(**({"lead": lead} | given))))
        return await deed(Calling(engine, store, root, extra or []))
    finally:
        await engine.close()


def leading(root: Path, deed: Callable[[Calling], Awaitable[T]], **given: Any) -> T:
    """The same, in an event loop of its own."""
    return asyncio.run(led(root, deed, **given))
