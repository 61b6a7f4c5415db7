"""Session kit: whole runs in process, over a store in memory and in time that jumps.

The model is a function; engine, conductor, gateway, harness and orchestration tools are real.
"""

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from leadhand.conversation import Conversation, conversation
from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ActorId
from leadhand.domain.invariants import broken
from leadhand.domain.manifest import Manifest, Settings
from leadhand.domain.state import Record, Run
from leadhand.engine.conductor import Conductor
from leadhand.engine.engine import Engine
from leadhand.folder import Folder
from leadhand.gateway.gateway import Gateway
from leadhand.gateway.pace import Governor
from leadhand.harness import Means, Words
from leadhand.harnesses.api import ApiHarness
from leadhand.model import Request
from leadhand.models.scripted import Reply, Script, ScriptedModel
from leadhand.processes import Processes
from leadhand.refusals import ToolFailed
from leadhand.run_blobs import RunBlobs
from leadhand.stores.codec import NO_SECRETS
from leadhand.stores.memory import Memory, MemoryStore
from leadhand.testing import clock
from leadhand.tool import Caller, Effect, Role, Tool
from leadhand.tools.call import Toolbox
from leadhand.tools.gate import gate
from leadhand.tools.orchestration import orchestration
from tests.rules.world import manifest

RUN = "a-run"
EVERYONE: frozenset[Role] = frozenset({"lead", "sublead", "worker"})
REAL_SECS = 60.0
E = TypeVar("E", bound=e.Event)


class Deed(Struct, frozen=True, forbid_unknown_fields=True):
    """What Look and Touch take: how long it lasts, and whether it fails."""

    secs: float = 0.0
    fails: bool = False
    breaks: bool = False


class Ended(Struct):
    """A run that its owner has let go of. asked: every request that left, with when (seconds)."""

    run: Run
    events: list[e.Event]
    memory: Memory
    asked: list[tuple[float, Request]]
    done: list[str]
    secs: float

    def all(self, kind: type[E], actor: str = "") -> list[E]:
        """The events of one kind, of one actor or of all."""
        return [
            each for each in self.events if isinstance(each, kind) and actor in ("", each.actor)
        ]

    def record(self, actor: str = "root") -> Record:
        """How an actor settled."""
        return self.run.records[ActorId(actor)]

    def requests(self, actor: str = "root") -> list[Request]:
        """What an actor's model was asked."""
        return [request for _, request in self.asked if request.actor_id == actor]

    def talk(self, actor: str = "root") -> Conversation:
        """What was said between an actor and its model."""
        return conversation([each for each in self.events if each.actor == actor])


class Owner:
    """One owner of the run, and what it does with it."""

    def __init__(self, memory: Memory, script: Script, done: list[str]) -> None:
        self.store, self.script = MemoryStore(memory), script
        self.memory, self.done = memory, done
        self.asked: list[tuple[float, Request]] = []
        self.conductor: Conductor | None = None
        self.engine: Engine | None = None

    async def answer(self, request: Request) -> Reply | str:
        self.asked.append((asyncio.get_running_loop().time(), request))
        given = self.script(request)
        return await given if inspect.isawaitable(given) else given

    def deed(self, name: str, effect: Effect) -> Tool:
        """A tool that takes its time and is noted."""

        async def handler(caller: Caller, args: Deed) -> str:
            self.done.append(f"{name} {caller.call_id}")
            await asyncio.sleep(args.secs)
            if args.fails:
                raise ToolFailed("it did not work")
            if args.breaks:
                raise RuntimeError("the tool broke")
            return f"{name} of {caller.actor_id}"

        return Tool(name, "Do it.", Deed, EVERYONE, effect, "orchestration", handler)

    async def own(self, asked: Manifest | None, base: Path) -> Ended:
        """Hold the run until it is over or suspended."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        if asked is not None:
            await self.store.create(RUN, "")
        engine = self.engine = await Engine.open(self.store, RUN, clock.JumpingClock(loop), "test")
        await engine.submit(c.OwnRun(engine.epoch, "test"))
        if asked is not None:
            await engine.submit(c.StartRun(RUN, asked))
        tools = orchestration(engine, Folder(base))
        tools += [self.deed("Look", "reads"), self.deed("Touch", "effects")]
        model = ScriptedModel(self.answer)
        harness = ApiHarness(
            Means(
                owner=engine,
                gateway=Gateway(engine, lambda name: model, Governor(0)),
                toolbox=Toolbox(tools, gate(engine)),
                blobs=RunBlobs(self.store, RUN, NO_SECRETS),
                processes=Processes(RUN, base),
                environment={},
                transcripts=base,
                words=Words(),
            )
        )
        self.conductor = Conductor(engine, harness.run)
        try:
            await self.conductor.run()
            assert broken(engine.run) == []
            events = [each.event for each in await engine.stamped()]
        finally:
            await engine.close()
        secs = loop.time() - began
        return Ended(engine.run, events, self.memory, self.asked, self.done, secs)


def play(
    base: Path, script: Script, *, meet: Callable[[Owner], Any] | None = None, **given: Any
) -> Ended:
    """A run of this script, from its beginning to its end.

    meet: a coroutine function that is given the owner and goes along with the run.
    """
    asked = manifest(**({"lead": Settings(directory=str(base))} | given))

    async def main() -> Ended:
        owner = Owner(Memory(), script, [])
        company = asyncio.ensure_future(meet(owner)) if meet else None
        ended = await owner.own(asked, base)
        if company is not None:
            await company
        return ended

    return clock.run(main(), REAL_SECS)


def go_on(ended: Ended, base: Path, script: Script, up_to: int) -> Ended:
    """What another owner makes of a run whose last one died after so many events."""
    owner = Owner(ended.memory.copy(RUN, up_to), script, [])
    return clock.run(owner.own(None, base), REAL_SECS)


def use(tool: str, **args: Any) -> tuple[str, dict[str, Any]]:
    """A call of a tool."""
    return tool, args


def calls(*wanted: tuple[str, dict[str, Any]], text: str = "") -> Reply:
    """A reply that calls tools."""
    return Reply(text=text, calls=wanted)


def by_turn(*replies: Reply | str) -> Callable[[Request], Reply | str]:
    """A script that gives one reply after another and then its last again."""

    def script(request: Request) -> Reply | str:
        number = sum(message.role == "assistant" for message in request.messages)
        return replies[min(number, len(replies) - 1)]

    return script


def cast(**parts: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """A script of a part for each actor by the last step of its path, `worker` for the rest."""

    def script(request: Request) -> Any:
        name = request.actor_id.rpartition("/")[2]
        return parts.get(name, parts.get("worker", parts["root"]))(request)

    return script
