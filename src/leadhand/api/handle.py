"""Handle: one run as a program has it, whether this process works on it or another does."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeVar

from msgspec import Struct

from leadhand.api.happened import Event, happened
from leadhand.api.look import look
from leadhand.api.names import actor_named
from leadhand.api.orders import cancelling, deliver, letter, steered
from leadhand.api.result import Ending, Result, ending, result, tells
from leadhand.api.standing import Standing, standing
from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.clock import Now
from leadhand.domain.evolve import evolve
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.manifest import Approvals, PolicyAction
from leadhand.domain.state import Run
from leadhand.engine import log
from leadhand.engine.inbox import Mailable
from leadhand.engine.log import Stamped
from leadhand.errors import StoreError, UsageError
from leadhand.folder import Folder
from leadhand.load import policies_in
from leadhand.store import Store
from leadhand.views import cost, tree, why, why_run
from leadhand.views.inbox import Question, inbox
from leadhand.wiring import LiveRun

Steering = c.PauseActor | c.ContinueActor | c.RepromptActor | c.SendMessage
Order = TypeVar("Order", bound=Mailable)

WATCH_SECS = 0.25
ROWS = 1_000


class Cancelled(Struct, frozen=True):
    """What was cancelled: an actor's path, or `run ID`. by_owner: whether a process that works on
    the run did it; where nobody does, the run settles when it is resumed."""

    what: str
    by_owner: bool


class Steered(Struct, frozen=True):
    """Whom an order reached: an actor's path, or `run ID`. by_owner: as in `Cancelled`; where
    nobody works on the run, the order takes effect when it is resumed."""

    what: str
    by_owner: bool


class RunHandle:
    """One run. Made by `Leadhand.dispatch`, `resume` and `run`.

    id: its id. folder: where its files are, absolute. warnings: what may surprise in its manifest,
    where it was dispatched here. Every method may raise StoreError, and does so once the Leadhand
    that gave the handle is closed.
    """

    def __init__(
        self,
        store: Store,
        run_dir: Path,
        run_id: str,
        live: LiveRun | None = None,
        warnings: Sequence[str] = (),
    ) -> None:
        self.id, self.folder, self.warnings = run_id, run_dir / run_id, tuple(warnings)
        self.live = live
        self.store, self._run_dir = store, run_dir
        self._work: asyncio.Task[Ending] | None = None
        self._told = False

    def __repr__(self) -> str:
        return f"RunHandle({self.id!r})"

    async def status(self) -> Standing:
        """How the run stands, at the price of reading one row."""
        return await standing(self.store, self.id)

    async def events(self, *, follow: bool = True, after: int = 0) -> AsyncIterator[Event]:
        """The events with seq > after, in order. follow: go on as long as somebody works on the
        run; otherwise as far as its log goes now."""
        async for stamped in self._stamped(follow=follow, after=after):
            yield happened(stamped)

    async def result(self) -> Result:
        """Wait until nobody works on the run any more; what it has come to.

        Cancelling this leaves the run at work. Raises what stopped the work of this process, such
        as StoreError where the disk is full.
        """
        return result(await self.ended(), Folder(self.folder))

    async def drain(self) -> None:
        """Let nothing new start and tell everybody to wrap up, within the grace period of the
        manifest; whoever works on the run then lets go of it, and it can be resumed.

        Raises Refused where it is finished, UsageError where nobody works on it.
        """
        if (live := self._mine()) is not None:
            await live.engine.submit(c.DrainRun())
        elif await self.store.held(self.id):
            await deliver(self.store, self.id, letter(c.DrainRun()))
        else:
            raise UsageError(f"nobody works on run {self.id}: there is nothing to drain")

    async def cancel(self, actor: str | None = None, reason: str = "") -> Cancelled:
        """End the run, or one actor and all below it: root/W3, W3 or a label. Done once it is
        decided; `result` waits until all have ended.

        Raises Refused where it is finished or settled already, UsageError where there is no such
        actor or the owner of the run gives no answer.
        """
        reason = reason or "cancelled by the operator"
        order, by_owner = await self._ordered(lambda run: cancelling(run, actor, reason))
        what = order.actor if isinstance(order, c.CancelActor) else f"run {self.id}"
        return Cancelled(what, by_owner)

    async def pause(
        self,
        actor: str | None = None,
        *,
        freeze: bool = False,
        subtree: bool = False,
        reason: str = "",
    ) -> Steered:
        """Let an actor (root/W3, W3 or a label) take no further step until it is continued; with
        subtree all below it too, without an actor everybody. freeze: sessions and commands stand
        still where they are; else turns are stopped, and asked again on continue.

        Raises Refused where one is settled or cannot be frozen, UsageError as `cancel` does.
        """
        mode: Literal["cancel", "freeze"] = "freeze" if freeze else "cancel"
        whole = subtree or actor is None
        return await self._steered(
            actor, lambda found: c.PauseActor(found, mode, reason, subtree=whole)
        )

    async def continue_(
        self, actor: str | None = None, prompt: str = "", *, subtree: bool = False
    ) -> Steered:
        """Let a paused actor go on, with subtree all below it too, without an actor everybody; or
        a settled worker for another stint, with its whole conversation. prompt: what the actor is
        told. Raises Refused where nobody is paused, UsageError as `cancel` does."""
        whole = subtree or actor is None
        return await self._steered(
            actor, lambda found: c.ContinueActor(found, prompt, subtree=whole)
        )

    async def reprompt(self, actor: str, prompt: str) -> Steered:
        """Interrupt an actor's turn now, with the tools that it runs, or its pause; it goes on with
        this prompt. Raises Refused where it has settled, UsageError as `cancel` does."""
        return await self._steered(actor, lambda found: c.RepromptActor(found, prompt))

    async def send(self, actor: str | None, message: str, *, subtree: bool = False) -> Steered:
        """Leave a message that an actor reads with its next turn; with subtree all below it too,
        without an actor everybody. Raises Refused where it has settled or has not read too many,
        UsageError as `cancel` does."""
        whole = subtree or actor is None
        return await self._steered(actor, lambda found: c.SendMessage(found, message, whole))

    async def approvals(self) -> list[Question]:
        """The questions that wait for the operator, the oldest first."""
        asked: dict[str, e.ApprovalAsked] = {}
        async for stamped in self._stamped(follow=False):
            if isinstance(stamped.event, e.ApprovalAsked):
                asked[stamped.event.approval] = stamped.event
        run, now = await self._now()
        known = {name: asked[name] for name in run.questions if name in asked}
        return inbox(run, now, known)

    async def approve(self, approval: str, comment: str = "", *, edited_summary: str = "") -> bool:
        """Approve what a question asks for; edited_summary: that, instead of what it asks for.

        approval: its id, as `approvals` has it. Whether a process that works on the run was told;
        where none does, the answer is found when the run is resumed. Raises Refused where there is
        no such question, or it has its answer.
        """
        return await self._answer(c.AnswerApproval(approval, True, comment, edited_summary))

    async def reject(self, approval: str, reason: str = "") -> bool:
        """Reject what a question asks for; the actor is told the reason. See `approve`."""
        return await self._answer(c.AnswerApproval(approval, False, reason))

    async def policies(self) -> Approvals:
        """The policies that hold now."""
        run, _ = await self._now()
        return run.manifest.approvals if run.manifest else Approvals()

    async def change_policies(
        self, path: str | os.PathLike[str] | None = None, *, default: PolicyAction | None = None
    ) -> Approvals:
        """Let the [[approval_policy]] tables of a TOML file hold from now on, in place of all
        others; gives all that holds then. default: what becomes of questions that none fits.

        Questions that wait go on waiting. Raises ManifestError, Refused where the run is finished.
        """
        found = None if path is None else policies_in(Path(path))

        def changing(run: Run) -> c.ChangePolicies:
            held = run.manifest.approvals if run.manifest else Approvals()
            policies = held.policies if found is None else found
            return c.ChangePolicies(policies, default or held.default)

        await self._ordered(changing)
        return await self.policies()

    async def why(self, actor: str | None = None) -> list[why.Why]:
        """Why an actor waits, failed or never started, in sentences; without one, the run, and
        each actor of it that lives or failed. Raises UsageError where there is no such actor."""
        run, scene = await look(self.store, self.id, self._run_dir)
        if actor:
            return [why.actor(run, actor_named(run, actor), scene)]
        return [
            why_run.whole_run(run, scene),
            *(why.actor(run, each, scene) for each in why_run.unwell(run)),
        ]

    async def tree(self, rows: int = ROWS) -> tree.Tree:
        """The run at a glance, in at most this many rows: its actors and what each does."""
        run, now = await self._now()
        return tree.tree(run, now, rows)

    async def cost(self, rows: int = ROWS) -> cost.Cost:
        """What the run has cost so far, by actor and by model, in nano-dollars."""
        run, _ = await self._now()
        return cost.cost(run, rows)

    def suspend(self) -> None:
        """Stop the work of this process at once; nothing is settled, and the run can be resumed.
        Does nothing where this process does not work on it."""
        if (live := self._mine()) is not None:
            live.conductor().suspend()

    # What follows is for `Leadhand` and the command line.

    def begin(self, after: Callable[["RunHandle"], None]) -> None:
        """Set a run that this process owns to work; after: is called when it no longer does."""
        assert self.live is not None
        self._work = asyncio.create_task(work(self.live), name=f"run {self.id}")
        self._work.add_done_callback(lambda task: after(self))

    async def ended(self) -> Ending:
        """See `result`."""
        if self._work is not None:
            try:
                return await asyncio.shield(self._work)
            except Exception:
                self._told = True
                raise
        run, telling = Run(), list[Stamped]()
        async for stamped in self._stamped(follow=True):
            evolve(run, stamped.event, stamped.at)
            if tells(stamped.event):
                telling.append(stamped)
        return ending(run, telling)

    @property
    def task(self) -> asyncio.Task[Ending] | None:
        """The work of this process."""
        return self._work

    def failure(self) -> BaseException | None:
        """What stopped the work, where nobody has asked for its result."""
        task = self._work
        if task is None or self._told or not task.done() or task.cancelled():
            return None
        return task.exception()

    async def _stamped(self, *, follow: bool, after: int = 0) -> AsyncIterator[Stamped]:
        while True:
            # Asked first: what is written between the look and the reading is still read.
            last = not follow or not await self.store.held(self.id)
            async for stamped in log.events(self.store, self.id, after):
                after = stamped.at.seq
                yield stamped
            if last:
                return
            await self.store.watch(self.id, after, WATCH_SECS)

    def _mine(self) -> LiveRun | None:
        """The run, while this process works on it."""
        return self.live if self._work is not None and not self._work.done() else None

    async def _quiet(self) -> None:
        if self._work is not None:
            await asyncio.wait([self._work])

    async def _now(self) -> tuple[Run, Now]:
        """What is true of the run, and its time."""
        if (live := self._mine()) is not None:
            with suppress(StoreError):
                await live.engine.flush()
                return live.engine.run, live.engine.now()
            await self._quiet()
        run, scene = await look(self.store, self.id, self._run_dir)
        return run, scene.now

    async def _steered(self, actor: str | None, made: Callable[[ActorId], Steering]) -> Steered:
        order, by_owner = await self._ordered(lambda run: made(steered(run, actor)))
        return Steered(f"run {self.id}" if actor is None else order.actor, by_owner)

    async def _answer(self, order: c.AnswerApproval) -> bool:
        _, by_owner = await self._ordered(lambda run: order)
        return by_owner

    async def _ordered(self, made: Callable[[Run], Order]) -> tuple[Order, bool]:
        """Have an order carried out, and whether an owner did it. Raises Refused, UsageError."""
        if (live := self._mine()) is not None:
            order = made(live.engine.run)
            with suppress(StoreError):
                await live.engine.submit(order)
                return order, True
            # This process has just let go of the run.
            await self._quiet()
        order = made(await log.fold(self.store, self.id))
        return order, await deliver(self.store, self.id, letter(order))


async def work(live: LiveRun) -> Ending:
    """Work on a run until it is finished or let go of, and give it back."""
    try:
        await live.go()
        telling = await live.engine.stamped(ROOT)
        for record in live.engine.run.records.values():
            if record.duty.told is not None or record.outcome != "unverified":
                every = await live.engine.stamped(record.id)
                telling += [each for each in every if tells(each.event)]
        return ending(live.engine.run, telling)
    finally:
        await live.close()
