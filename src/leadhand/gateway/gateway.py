"""Gateway: lets a model call out once it is admitted, and settles it whatever happens."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ActorId, CallId
from leadhand.errors import ModelError
from leadhand.harness import MONEY, Intents, Owner
from leadhand.model import Answer, Model, Request, text_of

_encoder = msgspec.json.Encoder()


class Gateway:
    """The one road to the models of a run."""

    def __init__(self, owner: Owner, models: Callable[[str], Model]) -> None:
        """models: gives the model of a name; raises UnknownModel."""
        self._owner, self._models = owner, models

    async def admit(self, command: c.AdmitCall) -> Sequence[e.Event]:
        """Ask until the call is admitted; the events of the admission, with what came before it.

        Raises Refused where it never will be.
        """
        owner, actor = self._owner, command.actor
        events = await owner.submit(command)
        if admits(events):
            return events
        with owner.watching(actor, MONEY, "") as changed:
            while True:
                changed.clear()
                events = await owner.submit(command)
                if admits(events):
                    return events
                await self._later(actor, changed)

    async def _later(self, actor_id: ActorId, changed: asyncio.Event) -> None:
        """Wait until a deferred call may be worth asking for again."""
        actor = self._owner.run.actors.get(actor_id)
        seconds = 1.0
        if actor is not None and actor.deferral is not None:
            seconds = (actor.deferral.until - self._owner.now().run_ms) / 1000
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.001, seconds)):
                await changed.wait()

    async def ask(
        self, request: Request, intents: Intents, on_text: Callable[[str], None]
    ) -> tuple[Answer, Sequence[e.Event]]:
        """Send an admitted call and record its answer, which is durable when this returns.

        Raises ModelError, after the call was settled. Cancelled, it settles the call first.
        """
        actor, call = ActorId(request.actor_id), CallId(request.call_id)
        try:
            answer = await self._models(request.model).answer(request, on_text)
        except ModelError as error:
            await self._owner.submit(c.RecordCut(actor, call, error.message, error.billed))
            raise
        except BaseException as error:
            why = "cancelled" if isinstance(error, asyncio.CancelledError) else repr(error)
            await asyncio.shield(self._owner.submit(c.RecordCut(actor, call, why)))
            raise
        command = c.RecordTurn(
            actor,
            call,
            _encoder.encode(answer.blocks).decode(),
            answer.usage,
            answer.stop_reason,
            intents(answer),
            text_of(answer.blocks),
        )
        return answer, await self._owner.submit(command)


def admits(events: Sequence[e.Event]) -> bool:
    """Whether one of the events lets the call out."""
    return any(isinstance(event, e.CallAdmitted) for event in events)
