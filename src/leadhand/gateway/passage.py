"""Passage: the road of one request of a client outside: admitted, passed on, recorded, let go of.

Law: it is the road of every model call; nobody gets words of an answer to act on before it is
durable.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from leadhand.conversation import fenced
from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ActorId, CallId
from leadhand.domain.state import Actor
from leadhand.errors import ModelError
from leadhand.gateway.gateway import Admitted, Gateway
from leadhand.gateway.heard import Heard, Known
from leadhand.gateway.outlet import Buffered
from leadhand.harness import Owner, ToolRoad
from leadhand.model import Answer, Model, Relay, Relayed, ToolUse, text_of, wire_name
from leadhand.refusals import Refused, Settled, UnknownModel

# What our own tools are called by clients that are told of them by their server's name.
OURS = "mcp__leadhand__"
# Tools of coding agents that change nothing.
READS = frozenset(
    "Read Glob Grep LS WebFetch WebSearch ToolSearch TodoWrite NotebookRead TaskOutput BashOutput "
    "read_file list_dir grep_files view_image update_plan get_goal".split()
)
_encoder = msgspec.json.Encoder()


class Asked(Struct, frozen=True):
    """A request, whose it is, and the full name of the model that it means. headers: of the client,
    that go along."""

    actor: ActorId
    heard: Heard
    model: str
    headers: dict[str, str]


class Passages:
    """The requests of all clients of one run, those of an actor one after another."""

    def __init__(
        self, owner: Owner, gateway: Gateway, models: Callable[[str], Model], toolbox: ToolRoad
    ) -> None:
        """models: gives the model of a name; raises UnknownModel."""
        self._owner, self._gateway, self._models, self._toolbox = owner, gateway, models, toolbox
        self._turns: dict[ActorId, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._known: dict[ActorId, Known] = {}
        self.refusals: dict[ActorId, Refused | ModelError] = {}

    def relayed(self, asked: Asked) -> Relayed:
        """The model that answers. Raises UnknownModel where it does not speak the dialect."""
        model = self._models(asked.model)
        if not isinstance(model, Relayed) or model.dialect != asked.heard.dialect:
            raise UnknownModel(
                f'the model "{asked.model}" does not speak {asked.heard.dialect}',
                "Use a model of a provider that does.",
            )
        return model

    async def run(self, asked: Asked, outlet: Buffered) -> None:
        """Have a request answered into the outlet. Raises Refused, and ModelError once its call is
        settled. Cancelled, it settles the call first."""
        actor = asked.actor
        try:
            model = self.relayed(asked)
            async with self._turns[actor]:
                while not await self._answered(asked, model, outlet):
                    pass
            self.refusals.pop(actor, None)
        except (Refused, ModelError) as error:
            self.refusals[actor] = error
            raise
        finally:
            outlet.end()

    async def _answered(self, asked: Asked, model: Relayed, outlet: Buffered) -> bool:
        """Whether the request was answered; not where the run was parked instead, so that it is to
        be asked again when that goes on."""
        try:
            await self._once(asked, model, outlet)
        except ModelError as error:
            parks = error.kind == "quota" and self._owner.run.house.on_quota == "park"
            if parks and outlet.headers is None:
                return False
            raise
        return True

    async def _once(self, asked: Asked, model: Relayed, outlet: Buffered) -> None:
        actor, heard = asked.actor, asked.heard
        live = self._owner.run.actors.get(actor)
        if live is None:
            raise Settled(f"{actor} has settled")
        command = self._command(live, asked)
        whole = Relay(
            asked.model,
            heard.granted(wire_name(asked.model), heard.asked or 1, None),
            asked.headers,
            heard.stream,
            heard.asked,
            actor,
            command.call,
        )
        try:
            admitted, events = await self._gateway.admitted(
                command, lambda: model.relayed_tokens(whole)
            )
        except asyncio.CancelledError:
            # It may be admitted all the same, and nobody is left to send it.
            cut = c.RecordCut(actor, command.call, "its client left", billed=False)
            await asyncio.shield(self._owner.submit(cut))
            raise

        async def ask() -> Answer:
            mail = await self._mail(admitted, events) if admitted.final else None
            body = heard.granted(wire_name(asked.model), admitted.output_max, mail)
            relay = replace(whole, body=body, max_output_tokens=admitted.output_max)
            return await model.relay(relay, outlet)

        call = Admitted(actor, command.call, self._models(asked.model).lane(asked.model))
        answer, _ = await self._gateway.send(call, ask, self._recorded(actor, command.call))
        self._known[actor] = heard.known(_encoder.encode(answer.blocks))
        outlet.release()

    def _command(self, live: Actor, asked: Asked) -> c.AdmitCall:
        """What is asked for: an admission, with the results that the request brings along."""
        heard = asked.heard
        new, whole = heard.new_bytes(self._known.get(live.id))
        return c.AdmitCall(
            live.id,
            CallId(f"{live.id}:{live.stint}.{live.turns + 1}@{self._owner.run.seq}"),
            new,
            tuple(
                c.RecordToolResult(live.id, CallId(each.id), each.content, each.is_error)
                for each in heard.results
                if each.id in live.tools
            ),
            outside=True,
            whole=whole,
            model="" if asked.model == live.model else asked.model,
            asked=heard.asked,
        )

    async def _mail(self, admitted: e.CallAdmitted, events: Sequence[e.Event]) -> str:
        """The messages that a last call delivers, as its model reads them."""
        wanted = set(admitted.messages)
        found = {each.number: each for each in events if isinstance(each, e.MessageSent)}
        if wanted - found.keys():
            for event in await self._owner.history(admitted.actor):
                if isinstance(event, e.MessageSent):
                    found[event.number] = event
        return "\n".join(fenced(found[number]) for number in sorted(wanted & found.keys()))

    def _recorded(self, actor: ActorId, call: CallId) -> Callable[[Answer], c.Command]:
        def recorded(answer: Answer) -> c.Command:
            uses = [block for block in answer.blocks if isinstance(block, ToolUse)]
            return c.RecordTurn(
                actor,
                call,
                _encoder.encode(answer.blocks).decode(),
                answer.usage,
                answer.stop_reason,
                tuple(self._intent(use) for use in uses),
                text_of(answer.blocks),
            )

        return recorded

    def _intent(self, use: ToolUse) -> e.Intent:
        """What a tool call is about to do. One of the client's own tools may do anything, unless it
        is known to read only."""
        use = replace(use, name=use.name.removeprefix(OURS))
        intent = self._toolbox.intent(use)
        if self._toolbox.find(use.name) is not None or use.invalid:
            return intent
        return replace(intent, effect="reads" if use.name in READS else "effects")
