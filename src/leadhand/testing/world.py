"""World: what outlives every owner of a simulated run: who was asked, what was noted, what it cost.

It catches at once what must never leave the engine: a request whose admission is not durable, a
turn that is asked again though its answer is durable, a tool of effects that runs twice.
"""

import asyncio
from collections import Counter
from typing import Literal

from msgspec import Struct

from leadhand.conversation import conversation
from leadhand.domain.ids import ActorId, CallId
from leadhand.domain.money import Usage
from leadhand.domain.rules.pause import frozen
from leadhand.domain.state import Actor
from leadhand.errors import ModelError
from leadhand.model import Request, ToolResult, ToolUse
from leadhand.models.scripted import Reply, ScriptedModel
from leadhand.refusals import InvalidArguments
from leadhand.testing.players import Players
from leadhand.testing.script import asks_summary, turn
from leadhand.testing.witness import WitnessStore, event_of
from leadhand.tool import EVERYONE, Caller, Tool


class Asking(Struct, frozen=True):
    """A request that left. seq: how long the durable log was then."""

    actor: str
    turn: int
    call: str
    seq: int


class Noting(Struct, frozen=True):
    """A call of the tool Note that began. seq: how long the durable log was then."""

    call: str
    seq: int


class Note(Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of Note: how long it takes and how it ends."""

    secs: float = 0.0
    ending: Literal["fine", "refused", "broken"] = "fine"


class World:
    """The provider and the outside world of one run."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.players = Players(seed)
        self.askings: list[Asking] = []
        self.notings: list[Noting] = []
        self.answered: dict[str, Usage] = {}
        self.unbilled: set[str] = set()
        self.refused: Counter[str] = Counter()
        self.lost: set[str] = set()
        self.faults: list[str] = []

    def as_of(self, seq: int) -> "World":
        """The world when the log held so many events and its owner died."""
        found = World(self.seed)
        found.askings = [each for each in self.askings if each.seq <= seq]
        found.notings = [each for each in self.notings if each.seq <= seq]
        found.unbilled, found.refused = set(self.unbilled), Counter(self.refused)
        for asking in found.askings:
            found.players.asked[asking.actor, asking.turn] += 1
        return found

    def taken_over(self, store: WitnessStore) -> None:
        """Remember which calls a new owner must not run again."""
        self.lost |= {
            tool.call
            for actor in store.durable.actors.values()
            for tool in actor.tools.values()
            if tool.effect == "effects" and begun(actor, tool.call)
        }

    def model(self, store: WitnessStore) -> ScriptedModel:
        """The model that answers as long as this store's process lives."""

        async def script(request: Request) -> Reply:
            self._look_at(request, store)
            asking = Asking(request.actor_id, turn(request), request.call_id, store.durable.seq)
            self.askings.append(asking)
            try:
                reply = await self.players.reply(request)
            except ModelError as error:
                if not error.billed:
                    self.unbilled.add(request.call_id)
                    self.refused[request.call_id] += 1
                raise
            assert reply.usage is not None
            self.answered[request.call_id] = reply.usage
            return reply

        return ScriptedModel(script)

    def note_tool(self, store: WitnessStore) -> Tool:
        """The tool whose repetition is seen."""
        noted = {each.call for each in self.notings}

        async def note(caller: Caller, args: Note) -> str:
            call = caller.call_id
            actor = store.durable.actors.get(caller.actor_id)
            if actor is None or call not in actor.tools:
                self.faults.append(f"{call}: ran before its turn was durable")
            if actor is not None and frozen(actor):
                self.faults.append(f"{call}: began while its actor stands still")
            if call in noted or call in self.lost:
                self.faults.append(f"{call}: an effect was repeated")
            noted.add(call)
            self.notings.append(Noting(call, store.durable.seq))
            await asyncio.sleep(args.secs)
            if args.ending == "refused":
                raise InvalidArguments("no ink")
            if args.ending == "broken":
                raise RuntimeError("the pen broke")
            return "noted"

        return Tool("Note", "Note it.", Note, EVERYONE, "effects", "orchestration", note)

    def _look_at(self, request: Request, store: WitnessStore) -> None:
        call, number = CallId(request.call_id), turn(request)
        actor = store.durable.actors.get(ActorId(request.actor_id))
        if actor is None or actor.call is None or actor.call.id != call:
            self.faults.append(f"{call}: was asked before its admission was durable")
        elif actor.turns != number:
            self.faults.append(f"{call}: turn {number} was asked when {actor.turns} were durable")
        self.faults += [f"{call}: {fault}" for fault in malformed(request)]
        rows = store.kept.rows_by_actor.get(request.actor_id, [])
        again = conversation(event_of(store.kept, row) for row in rows)
        compacts = actor is not None and actor.call is not None and actor.call.compacts
        if compacts != asks_summary(request):
            self.faults.append(f"{call}: a summary was asked where none was admitted, or not")
        if not compacts and again.all() != request.messages:
            self.faults.append(f"{call}: a new session would have said something else")
        works_in = again.spawned.settings.directory if again.spawned else None
        if actor is not None and (works_in or "") != actor.directory:
            self.faults.append(f"{call}: a session in {works_in} of one in {actor.directory}")


def begun(actor: Actor, call: CallId) -> bool:
    """Whether an open call may have begun, for all that is durable: it does not wait for an answer
    of the operator."""
    asked = actor.approvals.get(call)
    return asked is None or asked.used


def malformed(request: Request) -> list[str]:
    """What a provider would not accept of a conversation."""
    faults = []
    asked: list[str] = []
    for number, message in enumerate(request.messages):
        if message.role != ("user", "assistant")[number % 2]:
            faults.append(f"message {number} is of the wrong side")
        given = [block.id for block in message.blocks if isinstance(block, ToolResult)]
        if sorted(given) != sorted(asked):
            faults.append(f"message {number} answers {given}, asked was {asked}")
        asked = [block.id for block in message.blocks if isinstance(block, ToolUse)]
    if request.messages[-1].role != "user":
        faults.append("the last message is the model's own")
    return faults
