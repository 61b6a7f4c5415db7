"""Life: one owner of a simulated run, from taking it until it is over, let go, or lost its disk."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from leadhand.domain import commands as c
from leadhand.domain.contract import evidence
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.rules.run import over
from leadhand.domain.state import Run
from leadhand.engine.conductor import Conductor
from leadhand.engine.engine import Engine
from leadhand.engine.inbox import Inbox, Mailable, encode
from leadhand.engine.resumption import orders
from leadhand.errors import StoreError
from leadhand.folder import Folder
from leadhand.gateway.gateway import Gateway
from leadhand.gateway.pace import Governor
from leadhand.harness import Means, Words
from leadhand.harnesses.api import ApiHarness
from leadhand.processes import Processes
from leadhand.refusals import Refused
from leadhand.run_blobs import RunBlobs
from leadhand.store import Letter
from leadhand.stores.codec import NO_SECRETS
from leadhand.stores.memory import Memory, MemoryStore
from leadhand.testing.clock import WALL_MS, JumpingClock, JumpingLoop
from leadhand.testing.scenario import RUN, Scenario, changes_of
from leadhand.testing.verdicts import Broken, Rest, at_rest
from leadhand.testing.witness import WitnessStore
from leadhand.testing.world import World
from leadhand.tools.call import Toolbox
from leadhand.tools.gate import gate
from leadhand.tools.orchestration import orchestration

NOWHERE = Path("/simulated")
DEATH_MS = 3_600_000
# After how long the operator looks for what is paused.
PATIENCE_SECS = 97.0


class Life:
    """One owner. number: how many have had this run before."""

    def __init__(self, plan: Scenario, memory: Memory, world: World, number: int) -> None:
        self._plan, self._world = plan, world
        dice = world.players.dice("life", number)
        self._dice = world.players.dice("changes", number)
        fails_at = plan.disk_fails if number == 0 else None
        self._store = WitnessStore(memory, RUN, dice, plan.disk_ms, fails_at, plan.after_all)
        self._wall_ms = WALL_MS + number * dice.choice((-1, 1)) * DEATH_MS
        self._alive: dict[ActorId, asyncio.Task[None]] = {}
        self._frozen: set[ActorId] = set()
        self._working = self._failed = False
        self.state = Run()

    async def live(self) -> bool:
        """Take the run and work on it; whether it is over. Raises Broken."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, JumpingLoop)
        self._clock = JumpingClock(loop, self._wall_ms)
        self._engine = await Engine.open(self._store, RUN, self._clock, "simulated")
        self.state = self._engine.run
        self._world.taken_over(self._store)
        self._world.players.wall_ms = self._wall
        self._harness = self._made_harness()
        loop.when_idle(self._look)
        done = False
        try:
            try:
                await self._take_up()
                finished = over(self.state) or await self._work()
            finally:
                await self._engine.close()
            done = finished
        except StoreError as error:
            if "the disk" not in error.message:
                raise
        finally:
            await self._store.close()
        self._fail(self._leaks())
        return done

    async def _take_up(self) -> None:
        """Begin, continue or reopen the run, as `dispatch` and `resume` do."""
        engine, run = self._engine, self.state
        own = c.OwnRun(engine.epoch, "simulated")
        if run.status is None:
            await engine.submit(own)
            await engine.submit(c.StartRun(RUN, self._plan.manifest))
            return
        changes = changes_of(self._dice, run)
        try:
            commands, _ = orders(run, own, changes, engine.now())
        except Refused:
            commands, _ = orders(run, own, (), engine.now())
        for command in commands:
            await engine.submit(command)
            open_calls = [actor.id for actor in run.actors.values() if actor.call is not None]
            if open_calls:
                self._fail([f"calls of the last owner are still open: {open_calls}"])

    async def _work(self) -> bool:
        conductor = Conductor(self._engine, self._session, still=self._still, check=self._check)
        deeds = [self._operator(), self._move_wall(), self._interrupt(conductor)]
        deeds.append(self._unpause())
        aside = [asyncio.create_task(deed) for deed in deeds]
        self._working = True
        try:
            return await conductor.run()
        finally:
            self._working = False
            for task in aside:
                task.cancel()
            await asyncio.gather(*aside, return_exceptions=True)

    def _made_harness(self) -> ApiHarness:
        engine, store = self._engine, self._store
        model = self._world.model(store)
        tools = orchestration(engine, Folder(NOWHERE))
        return ApiHarness(
            Means(
                owner=engine,
                gateway=Gateway(engine, lambda name: model, Governor(self._plan.seed, self._wall)),
                toolbox=Toolbox([*tools, self._world.note_tool(store)], gate(engine)),
                blobs=RunBlobs(store, RUN, NO_SECRETS),
                processes=Processes(RUN, NOWHERE),
                environment={},
                transcripts=NOWHERE,
                words=Words(),
            )
        )

    def _wall(self) -> int:
        return self._clock.now().wall_ms

    async def _session(self, actor: ActorId) -> None:
        task = asyncio.current_task()
        assert task is not None
        if actor in self._alive:
            self._world.faults.append(f"{actor}: has two sessions at once")
        self._alive[actor] = task
        if actor not in self._store.durable.actors:
            self._world.faults.append(f"{actor}: runs before it is durable")
        try:
            await self._harness.run(actor)
        finally:
            del self._alive[actor]

    async def _check(self, actor: ActorId) -> None:
        """Find by dice whether what an actor claims holds; twice the same, however often."""
        if actor in self._alive:
            self._world.faults.append(f"{actor}: is checked while its session goes on")
        task = asyncio.current_task()
        assert task is not None
        self._alive[actor] = task
        dice = self._world.players.dice("checks", actor, self.state.actors[actor].stint)
        try:
            await asyncio.sleep(dice.choice((0.0, 0.1, 5.0, 200.0)))
            found = tuple(
                evidence("files", name, ok=dice.random() < 0.8, detail="not there")
                for name in "abc"[: dice.randint(0, 3)]
            )
            await self._engine.submit(c.RecordChecks(actor, found, "Checked."))
        finally:
            del self._alive[actor]

    async def _operator(self) -> None:
        """Send the letters at their times, also those that are answered already."""
        inbox = Inbox(self._engine, self._store, RUN)
        for post in self._plan.letters:
            await self._sleep_until(post.at)
            now = self._engine.now().run_ms
            await self._store.submit(RUN, Letter(post.id, post.data, "operator", now))
            await inbox.take()

    async def _unpause(self) -> None:
        """Let go on, sooner or later, what was paused and left."""
        while True:
            await asyncio.sleep(PATIENCE_SECS)
            if any(each.paused is not None for each in self.state.actors.values()):
                with suppress(Refused):
                    await self._engine.submit(c.ContinueActor(ROOT, subtree=True))

    async def _still(self, actor: ActorId, frozen: bool) -> None:
        if frozen == (actor in self._frozen):
            self._world.faults.append(f"{actor}: is frozen or thawed twice")
        (self._frozen.add if frozen else self._frozen.discard)(actor)

    async def _move_wall(self) -> None:
        for at, by in self._plan.wall_jumps:
            await self._sleep_until(at)
            self._clock.move_wall(by)

    async def _interrupt(self, conductor: Conductor) -> None:
        """Stop the first owner as the second Ctrl-C does."""
        at = self._plan.interrupted_at
        if at is not None and self._engine.epoch == 1:
            await self._sleep_until(at)
            self._working = False
            conductor.suspend()

    async def _sleep_until(self, run_ms: int) -> None:
        await asyncio.sleep(max(0, run_ms - self._engine.now().run_ms) / 1000)

    def _look(self, secs: float) -> None:
        """Called whenever nobody can do anything until so much time has passed."""
        faults = [*self._store.faults, *self._world.faults]
        if self._working and not self._store.busy and self._engine.failure is None:
            ending = {actor for actor, task in self._alive.items() if task.cancelling()}
            durable, now = self._store.durable, self._engine.now()
            rest = Rest(self.state, durable, self._alive, ending, now, self._frozen)
            faults += at_rest(rest, secs)
        self._fail(faults)

    def _leaks(self) -> Iterator[str]:
        """What an owner must not leave behind."""
        yield from self._store.faults
        yield from self._world.faults
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            yield f"the task {task.get_name()} is left running"

    def _fail(self, faults: Iterable[str]) -> None:
        if (found := list(faults)) and not self._failed:
            self._failed = True
            raise Broken("\n".join(found[:20]))


async def visit(memory: Memory, command: Mailable) -> None:
    """Leave a command in a run that nobody owns, as `cancel` does: own it, perform nothing."""
    store = MemoryStore(memory)
    clock = JumpingClock(asyncio.get_running_loop())
    engine = await Engine.open(store, RUN, clock, "a visitor")
    try:
        await engine.submit(c.OwnRun(engine.epoch, "a visitor", acts=False))
        await store.submit(RUN, Letter("visit", encode(command), "a visitor", engine.run.run_ms))
        await Inbox(engine, store, RUN).take()
    finally:
        await engine.close()
