"""Session: an in-process conversation: model call, tool calls, until the model stops."""

import asyncio
import zlib
from collections.abc import Callable, Sequence

import msgspec

from leadhand import reach
from leadhand.briefing import COMPACT, briefing
from leadhand.calling import INTERRUPTED, caller_of, calling, live
from leadhand.conversation import CUT, Conversation, asking, briefly, summary_of, written_out
from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.estimates import text_tokens
from leadhand.domain.ids import ActorId, CallId
from leadhand.domain.rules.message import asks_more
from leadhand.domain.rules.pause import frozen
from leadhand.domain.rules.turn import has_reported
from leadhand.domain.state import Actor
from leadhand.errors import ModelError
from leadhand.harness import Means, Offer, Recorded
from leadhand.model import Answer, Request, ToolResult, ToolUse, text_of
from leadhand.refusals import BudgetExceeded, Refused
from leadhand.tool import Caller, Tool
from leadhand.workspace import root_of

RETRIES_MAX = 3
# Characters of a result or a text in a conversation that is longer than its model can read.
BRIEF_MAX = 2_000
# What stands around a summary.
NOTE_BYTES = 400
_encoder = msgspec.json.Encoder()


def spread(about: str) -> float:
    """A factor from 0.75 to 1.25, another for each text: who fails together tries apart."""
    return 0.75 + zlib.crc32(about.encode()) / 2**33


class Session:
    """One actor's session in this process."""

    def __init__(
        self,
        means: Means,
        actor: ActorId,
        talk: Conversation,
        stint: int,
        offer: Offer,
    ) -> None:
        self.h, self.actor, self.talk, self.stint = means, actor, talk, stint
        assert talk.spawned is not None
        spawned, settings = talk.spawned, talk.spawned.settings
        owner = means.owner
        own = means.toolbox.offered(spawned.role, settings.tools or ())
        self.tools: list[Tool] = [*own, *offer.tools]
        told = reach.told(owner.run, actor, self.tools)
        self.schemas = means.toolbox.schemas(told)
        workspace = owner.run.workspaces.get(actor)
        root = root_of(actor, settings.directory, workspace, means.worktrees)
        self.system = briefing(spawned, owner.run.house, told, workspace, root, offer.missing)
        self.caller = caller_of(means, spawned)
        tools = _encoder.encode(self.schemas).decode()
        self.fixed_bytes = text_tokens(self.system) + text_tokens(tools)
        self.effort = settings.effort
        self.fresh: list[ToolResult] = []
        self.failures = 0
        # The turn at which the conversation was found to be longer than the model can read, and
        # the one at which a brief form of it was summarized.
        self.too_long_at = self.brief_at = -1

    def live(self) -> Actor | None:
        """The actor, while it is to go on in this stint."""
        return live(self.h.owner.run, self.actor, self.stint)

    async def run(self) -> None:
        """Turn after turn until the actor settles, or is to halt."""
        try:
            await self.work()
        finally:
            await asyncio.shield(self.keep())

    async def keep(self) -> None:
        """Record the results that would have gone with a next call, if that does not come."""
        one = self.h.owner.run.actors.get(self.actor)
        if one is None or not one.halting:
            return
        for each in self.fresh:
            if each.id in one.tools:
                await self.h.owner.submit(self.as_result(each))

    async def work(self) -> None:
        """Turn after turn."""
        await self.recover()
        while (actor := self.live()) is not None:
            try:
                answer = await self.turn(actor)
            except Refused as refusal:
                await self.exit_refused(refusal)
                return
            except ModelError as error:
                await self.model_failed(error)
                continue
            self.failures = 0
            await self.thawed()
            uses = [block for block in answer.blocks if isinstance(block, ToolUse)]
            if uses and not self.final():
                await self.run_tools(uses)
                await self.end_reported()
                continue
            await self.end()

    async def thawed(self) -> None:
        """Wait while the actor is frozen: what it has answered leads to nothing before."""
        while (actor := self.live()) is not None and frozen(actor):
            with self.h.owner.watching(self.actor) as changed:
                await changed.wait()

    def final(self) -> bool:
        """Whether the turn just taken was the actor's last."""
        actor = self.live()
        return actor is None or actor.final_used

    async def recover(self) -> None:
        """Go on with the tool calls that an earlier session left open, but a last turn's."""
        actor = self.live()
        if actor is not None and actor.final_used and actor.call is None:
            await self.end()
            return
        await self.thawed()
        again = []
        for use in list(self.talk.open.values()):
            if self.talk.effects.get(use.id) == "effects" and not self.waits_for_answer(use):
                await self.h.toolbox.tidy(self.calling(use), use)
                self.returned(ToolResult(use.id, INTERRUPTED, is_error=True))
            else:
                again.append(use)
        if again:
            await self.run_tools(again)
        if await self.end_reported():
            return
        if not again and self.talk.messages and not self.talk.open and not self.talk.pending():
            await self.answered_before()

    async def end_reported(self) -> bool:
        """End the session whose last turn has reported, without another call to the model, unless
        the actor has been given more to read; whether it was ended."""
        actor = self.live()
        if actor is None or self.talk.open or not has_reported(actor):
            return False
        for result in self.fresh:
            await self.h.owner.submit(self.as_result(result))
        self.fresh = []
        await self.thawed()
        history = await self.h.owner.history(self.actor)
        await self.exit("completed", final=summary_of(history))
        return True

    def waits_for_answer(self, use: ToolUse) -> bool:
        """Whether a call had not begun, since the operator was asked about it first."""
        actor = self.live()
        asked = actor.approvals.get(CallId(use.id)) if actor is not None else None
        return asked is not None and not asked.used

    async def answered_before(self) -> None:
        """The last answer was durable and called no tool: it is the final one, unless the actor
        has been given more to read."""
        actor = self.live()
        if actor is not None and not asks_more(actor):
            await self.end()

    async def turn(self, actor: Actor) -> Answer:
        """One model request and its answer, durable; first a shorter conversation, where it has
        become too long. Raises Refused, ModelError."""
        admitted = await self.admitted(actor)
        if admitted.compacts:
            if self.too_long_at == actor.turns:
                self.brief_at = actor.turns
            await self.compact(admitted, brief=self.brief_at == actor.turns)
            admitted = await self.admitted(actor)
        request = self.request(admitted)
        on_text = self.h.words.begin(self.actor)
        return await self.asked(request, self.as_turn(admitted.call), on_text)

    async def admitted(self, actor: Actor) -> e.CallAdmitted:
        """The admission of the next call; the conversation holds the mail that it delivers."""
        call = CallId(f"{self.actor}:{actor.stint}.{actor.turns + 1}@{self.h.owner.run.seq}")
        new = text_tokens(_encoder.encode(self.talk.pending()).decode())
        if not self.talk.messages:
            new += self.fixed_bytes
        results = tuple(map(self.as_result, self.fresh))
        too_long = self.too_long_at == actor.turns != self.brief_at
        command = c.AdmitCall(self.actor, call, new, results, compact=too_long)
        admitted, events = await self.h.gateway.admit(
            command, lambda model: self.draft(model, call)
        )
        self.fresh = []
        await self.take_in(admitted, events)
        return admitted

    def draft(self, model: str, call: CallId) -> Request:
        """What the model would be asked now, with everything that may cost something."""
        return Request(
            model=model,
            system=self.system,
            messages=self.talk.all(),
            tools=self.schemas,
            max_output_tokens=1,
            actor_id=self.actor,
            call_id=call,
            effort=self.effort,
        )

    def request(self, admitted: e.CallAdmitted) -> Request:
        """What an admitted call asks. Where no tool may be called they are there nevertheless: a
        prefix that stays the same is cached."""
        no_tools = admitted.final or admitted.compacts
        return msgspec.structs.replace(
            self.draft(admitted.model, admitted.call),
            max_output_tokens=admitted.output_max,
            tool_choice="none" if no_tools else "auto",
        )

    async def asked(
        self, request: Request, recorded: Recorded, on_text: Callable[[str], None]
    ) -> Answer:
        """The answer to a request, which is durable and part of the conversation."""
        answer, events = await self.h.gateway.ask(request, recorded, on_text)
        for event in events:
            if event.actor == self.actor:
                self.talk.add(event)
        return answer

    async def compact(self, admitted: e.CallAdmitted, *, brief: bool) -> None:
        """Let the model summarize its conversation, which goes on from there; the whole is kept
        where the model can read it. brief: the model cannot read all of it. Raises ModelError."""
        whole = self.talk.all()
        messages = asking(briefly(whole, BRIEF_MAX) if brief else whole, COMPACT)
        archive = await self.h.blobs.put(written_out(whole).encode())
        stays = _encoder.encode((whole[0], self.talk.messages[-1])).decode()
        kept = text_tokens(stays) + self.fixed_bytes

        def recorded(answer: Answer) -> c.Command:
            summary = "" if answer.stop_reason == "refusal" else text_of(answer.blocks)
            size = text_tokens(_encoder.encode(summary).decode()) + len(archive) + NOTE_BYTES
            return c.RecordCompaction(
                self.actor, admitted.call, summary, answer.usage, archive, kept + size, brief
            )

        request = msgspec.structs.replace(self.request(admitted), messages=messages)
        await self.asked(request, recorded, lambda text: None)

    async def take_in(self, admitted: e.CallAdmitted, events: Sequence[e.Event]) -> None:
        """Bring the conversation up to an admission, with the messages that it delivers."""
        known = self.talk.unread.keys() | {
            event.number for event in events if isinstance(event, e.MessageSent)
        }
        if set(admitted.messages) - known:
            for event in await self.h.owner.history(self.actor):
                if isinstance(event, e.MessageSent) and event.number in admitted.messages:
                    self.talk.add(event)
        for event in events:
            if isinstance(event, e.MessageSent | e.CallAdmitted):
                self.talk.add(event)

    def as_turn(self, call: CallId) -> Recorded:
        """How the answer to a call is recorded: whole, with the tool calls that it asks for."""

        def recorded(answer: Answer) -> c.Command:
            uses = [block for block in answer.blocks if isinstance(block, ToolUse)]
            return c.RecordTurn(
                self.actor,
                call,
                _encoder.encode(answer.blocks).decode(),
                answer.usage,
                answer.stop_reason,
                tuple(self.h.toolbox.intent(use) for use in uses),
                text_of(answer.blocks),
            )

        return recorded

    async def run_tools(self, uses: list[ToolUse]) -> None:
        """Run tool calls at the same time. Each result but the last is recorded as it comes; the
        last goes with the next admission."""
        left = len(uses)

        async def one(use: ToolUse) -> None:
            nonlocal left
            result = await self.h.toolbox.call(self.calling(use), self.tools, use)
            left -= 1
            if left:
                await self.h.owner.submit(self.as_result(result))
                self.talk.results.append(result)
                self.talk.open.pop(use.id, None)
            else:
                self.returned(result)

        if len(uses) == 1:
            await one(uses[0])
            return
        async with asyncio.TaskGroup() as group:
            for use in uses:
                group.create_task(one(use))

    def as_result(self, result: ToolResult) -> c.RecordToolResult:
        """A result as it is recorded."""
        return c.RecordToolResult(self.actor, CallId(result.id), result.content, result.is_error)

    def calling(self, use: ToolUse) -> Caller:
        """The actor as who makes one tool call."""
        return calling(self.h, self.caller, CallId(use.id))

    def returned(self, result: ToolResult) -> None:
        """Keep a result for the next admission."""
        self.talk.open.pop(result.id, None)
        self.talk.results.append(result)
        self.fresh.append(result)

    async def model_failed(self, error: ModelError) -> None:
        """Wait and try again what may succeed later; fail the actor otherwise.

        A run that waits for a quota is parked: the next call is admitted when it goes on.
        """
        actor = self.live()
        if actor is None or (error.kind == "quota" and self.h.owner.run.house.on_quota == "park"):
            return
        if error.kind == "context_exceeded" and 0 < actor.turns != self.too_long_at:
            self.too_long_at = actor.turns
            return
        self.failures += 1
        if not error.retryable or self.failures > RETRIES_MAX:
            await self.exit("failed", error=f"model error: {error.message}")
            return
        await asyncio.sleep(2.0 ** (self.failures - 1) * spread(f"{self.actor}:{actor.turns}"))

    async def exit_refused(self, refusal: Refused) -> None:
        """End a session whose next call was refused, with the last that it said."""
        if self.live() is None:
            return
        outcome: c.Outcome = "budget" if isinstance(refusal, BudgetExceeded) else "failed"
        await self.exit(outcome, final=self.talk.words, error=refusal.message)

    async def end(self) -> None:
        """End the session with its last answer; where that is no end, it may be asked to go on."""
        final, stop_reason = self.talk.final.strip(), self.talk.stop_reason
        if stop_reason == "context_exceeded" and (actor := self.live()) is not None:
            self.too_long_at = actor.turns
        if stop_reason in CUT:
            await self.exit("cut", final=final, error="its answer was cut at max_tokens")
        elif stop_reason == "refusal":
            await self.exit("refused", final=final, error="the model refused to answer")
        elif final:
            await self.exit("completed", final=final)
        else:
            await self.exit("empty", error="the model gave an empty answer")

    async def exit(self, outcome: c.Outcome, *, final: str = "", error: str = "") -> None:
        """Tell that the session is over; a lead may be asked for its report and go on."""
        await self.h.owner.submit(c.RecordExit(self.actor, outcome, final, error))
