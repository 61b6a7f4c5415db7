"""Gateway: lets a model call out once it is admitted and its provider takes it; settles it always.

Law: one road for every model call of a run; what came of a call is durable before anybody reads it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from msgspec import structs

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ActorId, CallId
from leadhand.errors import ModelError
from leadhand.gateway.pace import PATIENCE_SECS, Governor
from leadhand.harness import MONEY, Owner, Recorded
from leadhand.model import Answer, Model, Request
from leadhand.refusals import Uncounted

# What passes by itself, for everybody at the same time.
PASSING = ("rate_limited", "overloaded")


class Admitted(NamedTuple):
    """A call that may be sent, and whom it shares its provider's limits with."""

    actor: ActorId
    id: CallId
    lane: str


class Gateway:
    """The one road to the models of a run."""

    def __init__(self, owner: Owner, models: Callable[[str], Model], governor: Governor) -> None:
        """models: gives the model of a name; raises UnknownModel."""
        self._owner, self._models, self._governor = owner, models, governor
        # Admitted calls that nobody answers or bills now: they wait for their provider.
        self._waiting: set[CallId] = set()

    async def admit(
        self, command: c.AdmitCall, draft: Callable[[str], Request]
    ) -> tuple[e.CallAdmitted, Sequence[e.Event]]:
        """See `harness.ModelRoad.admit`."""

        async def count() -> int | None:
            actor = self._owner.run.actors.get(command.actor)
            if actor is None:
                return None
            return await self._models(actor.model).count(draft(actor.model))

        return await self.admitted(command, count)

    async def admitted(
        self, command: c.AdmitCall, count: Callable[[], Awaitable[int | None]]
    ) -> tuple[e.CallAdmitted, Sequence[e.Event]]:
        """Ask until the call is admitted; its admission, and all events on the way to it.

        count: the tokens of the request as its provider counts them, if it does. Raises Refused
        where the call never will be admitted.
        """
        owner, actor = self._owner, command.actor
        seen: list[e.Event] = []
        with owner.watching(actor, MONEY, "") as changed:
            while True:
                changed.clear()
                try:
                    seen += await owner.submit(command)
                except Uncounted:
                    command = structs.replace(command, counted=await count() or 0)
                    continue
                admitted = [each for each in seen if isinstance(each, e.CallAdmitted)]
                if admitted:
                    return admitted[-1], seen
                await self._later(actor, changed)

    async def _later(self, actor_id: ActorId, changed: asyncio.Event) -> None:
        """Wait until a deferred call may be worth asking for again."""
        actor = self._owner.run.actors.get(actor_id)
        if actor is not None and actor.deferral is not None:
            await self._owner.until(actor.deferral.until, changed)

    async def ask(
        self, request: Request, recorded: Recorded, on_text: Callable[[str], None]
    ) -> tuple[Answer, Sequence[e.Event]]:
        """See `harness.ModelRoad.ask`."""
        model, call = self._models(request.model), CallId(request.call_id)
        lane = model.lane(request.model)
        admitted = Admitted(ActorId(request.actor_id), call, lane)
        return await self.send(admitted, lambda: model.answer(request, on_text), recorded)

    async def send(
        self, call: Admitted, ask: Callable[[], Awaitable[Answer]], recorded: Recorded
    ) -> tuple[Answer, Sequence[e.Event]]:
        """Send an admitted call and record its answer, which is durable when this returns.

        ask: asks once; it is called again where its provider refused at no cost. Raises ModelError,
        after the call was settled. Cancelled, it settles the call first.
        """
        try:
            answer = await self._paced(call, ask)
        except ModelError as error:
            quota, resets_at = error.kind == "quota", error.resets_at or 0
            cut = c.RecordCut(call.actor, call.id, error.message, error.billed, quota, resets_at)
            await self._owner.submit(cut)
            raise
        except BaseException as error:
            why = "cancelled" if isinstance(error, asyncio.CancelledError) else repr(error)
            cut = c.RecordCut(call.actor, call.id, why, billed=call.id not in self._waiting)
            await asyncio.shield(self._owner.submit(cut))
            raise
        finally:
            self._waiting.discard(call.id)
        return answer, await self._owner.submit(recorded(answer))

    async def _paced(self, call: Admitted, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask as soon as the provider takes it; a refusal that passes and cost nothing is waited
        out here, with the same reservation. Raises ModelError."""
        lane = self._governor.lane(call.lane)
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def told(why: str, secs: float) -> None:
            until = self._owner.now().run_ms + round(secs * 1000)
            await self._owner.submit(c.RecordHold(call.actor, call.id, why, until))

        while True:
            self._waiting.add(call.id)
            entered = await lane.enter(told)
            self._waiting.discard(call.id)
            try:
                answer = await ask()
            except ModelError as error:
                end = max(began, lane.answered_at) + PATIENCE_SECS
                error = self._seen(error, loop.time() >= end)
                if error.kind == "quota":
                    lane.exhausted(error)
                if error.kind in PASSING:
                    lane.complained(error, entered)
                if error.kind not in PASSING or not error.retryable or error.billed:
                    raise error from None
            else:
                lane.answered()
                return answer
            finally:
                lane.leave()

    def _seen(self, error: ModelError, late: bool) -> ModelError:
        """The error as it is to be dealt with: a wait beyond all patience is a quota, and what
        does not pass in time is not waited for any longer. late: whether the time is up."""
        secs = error.retry_after_secs or 0.0
        if error.kind not in PASSING:
            return error
        if secs > PATIENCE_SECS:
            resets_at = self._owner.now().wall_ms + round(secs * 1000)
            return ModelError(error.message, kind="quota", billed=error.billed, resets_at=resets_at)
        if not late:
            return error
        message = f"{error.message} (for {PATIENCE_SECS / 60:g} min)"
        return ModelError(message, kind=error.kind, retryable=False, billed=error.billed)
