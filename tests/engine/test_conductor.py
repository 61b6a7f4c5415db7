"""Conductor: what is due is done, in real time and in time that jumps."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.clock import Now
from leadhand.domain.contract import Contract, evidence
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.manifest import HouseRules, Lead, Manifest, Settings
from leadhand.domain.money import Usage
from leadhand.engine.conductor import (
    NEW_OBJECTS_MAX,
    Conductor,
    Still,
    Tidy,
    nothing_to_still,
    nothing_to_tidy,
    rare_collections,
)
from leadhand.engine.engine import Engine
from leadhand.errors import StoreError
from leadhand.stores.memory import MemoryStore
from leadhand.testing import JumpingClock
from leadhand.testing.clock import run as run_jumping

RUN = "aaaaaaaaaa"
MANIFEST = Manifest(
    Lead("lead", "Go.", Settings(model="claude-haiku-4-5")),
    house=HouseRules(lead_timeout_secs=100, grace_secs=10),
)
W1 = ActorId("root/W1")

Session = Callable[[Engine, ActorId], Awaitable[None]]


def conducted(
    session: Session,
    meanwhile: Session | None = None,
    asked: Manifest = MANIFEST,
    tidy: Tidy = nothing_to_tidy,
    check: Session | None = None,
    still: Still = nothing_to_still,
) -> tuple[Engine, bool, float]:
    """Conduct a run whose sessions are this function; how it ended, and when (seconds)."""

    async def main() -> tuple[Engine, bool, float]:
        loop = asyncio.get_running_loop()
        store = MemoryStore()
        await store.create(RUN, "")
        engine = await Engine.open(store, RUN, JumpingClock(loop), "a test")
        await engine.submit(c.OwnRun(engine.epoch, "a test"))
        await engine.submit(c.StartRun(RUN, asked))

        async def one(actor: ActorId) -> None:
            await session(engine, actor)

        async def checked(actor: ActorId) -> None:
            assert check is not None
            await check(engine, actor)

        conductor = Conductor(engine, one, tidy, still, checked)
        going = asyncio.create_task(conductor.run())
        if meanwhile is not None:
            await meanwhile(engine, ROOT)
        finished = await going
        at = loop.time()
        await engine.close()
        return engine, finished, at

    return run_jumping(main(), real_secs=20)


def kinds(engine: Engine) -> dict[str, str]:
    """How each actor settled."""
    return {each.id: each.status for each in engine.run.records.values()}


async def ends(engine: Engine, actor: ActorId) -> None:
    """A session that ends at once."""
    await engine.submit(c.RecordExit(actor, "completed", "done"))


async def hangs(engine: Engine, actor: ActorId) -> None:
    """A session that never ends by itself."""
    await asyncio.Event().wait()


def test_a_run_ends_when_its_lead_has_settled() -> None:
    asked: list[ActorId] = []

    async def session(engine: Engine, actor: ActorId) -> None:
        asked.append(actor)
        await ends(engine, actor)
        # The lead is asked for its report once.
        await ends(engine, actor)

    engine, finished, _ = conducted(session)
    assert finished
    assert engine.run.status == "succeeded"
    assert asked == [ROOT]


def test_a_session_that_breaks_is_started_again_one_and_two_seconds_later_then_fails() -> None:
    times: list[float] = []

    async def session(engine: Engine, actor: ActorId) -> None:
        times.append(asyncio.get_running_loop().time())
        raise ValueError("broken")

    engine, finished, _ = conducted(session)
    assert finished
    assert [round(time) for time in times] == [0, 1, 3]
    assert engine.run.records[ROOT].error == "its session crashed 3 times: ValueError: broken"


def test_a_session_that_ends_without_a_result_counts_as_broken() -> None:
    async def session(engine: Engine, actor: ActorId) -> None:
        return

    engine, _, _ = conducted(session)
    assert "ended without a result" in engine.run.records[ROOT].error


def test_a_cancelled_actor_is_stopped_and_settled_deepest_first() -> None:
    stopped: list[ActorId] = []

    async def session(engine: Engine, actor: ActorId) -> None:
        if actor == ROOT:
            await engine.submit(c.SpawnActor(ROOT, CallId("1"), "Work."))
        try:
            await hangs(engine, actor)
        finally:
            stopped.append(actor)

    async def meanwhile(engine: Engine, actor: ActorId) -> None:
        await asyncio.sleep(5)
        await engine.submit(c.CancelRun("enough"))

    engine, finished, at = conducted(session, meanwhile)
    assert finished
    assert stopped == [W1, ROOT]
    assert kinds(engine) == {W1: "Cancelled", ROOT: "Cancelled"}
    assert engine.run.status == "cancelled"
    assert at < 6


def test_a_lead_whose_time_is_up_is_ended_after_twice_the_grace_period() -> None:
    engine, finished, at = conducted(hangs)
    assert finished
    assert kinds(engine) == {ROOT: "TimedOut"}
    assert engine.run.status == "timed_out"
    assert 120 <= at < 121


def test_workers_of_a_lead_that_ended_get_the_grace_period() -> None:
    async def session(engine: Engine, actor: ActorId) -> None:
        if actor != ROOT:
            await hangs(engine, actor)
        await engine.submit(c.SpawnActor(ROOT, CallId("1"), "Work."))
        await ends(engine, actor)
        await ends(engine, actor)

    engine, finished, at = conducted(session)
    assert finished
    assert kinds(engine) == {ROOT: "Success", W1: "Cancelled"}
    assert engine.run.records[W1].error == "its lead has ended"
    assert 10 <= at < 11


def test_a_drain_lets_go_of_the_run_after_the_grace_period_and_settles_nobody() -> None:
    async def meanwhile(engine: Engine, actor: ActorId) -> None:
        await engine.submit(c.DrainRun())

    engine, finished, at = conducted(hangs, meanwhile)
    assert not finished
    assert list(engine.run.actors) == [ROOT]
    assert engine.run.status == "running"
    assert 10 <= at < 11


def test_a_drain_of_a_parked_run_in_the_middle_of_something_sleeps_beyond_the_reset() -> None:
    turns = 0

    async def meanwhile(engine: Engine, actor: ActorId) -> None:
        nonlocal turns
        bash = (e.Intent(CallId("t1"), "Bash", "effects"),)
        await engine.submit(c.AdmitCall(ROOT, CallId("a"), 10, counted=0))
        await engine.submit(c.RecordTurn(ROOT, CallId("a"), "[]", Usage(1, 1), "tool_use", bash))
        await engine.submit(c.SpawnActor(ROOT, CallId("s"), "Work."))
        await engine.submit(c.AdmitCall(W1, CallId("b"), 10, counted=0))
        resets_at = engine.now().wall_ms + 30_000
        await engine.submit(c.RecordCut(W1, CallId("b"), "quota", False, True, resets_at))
        await engine.submit(c.DrainRun())
        asked = engine.now

        def counted() -> Now:
            nonlocal turns
            turns += 1
            return asked()

        engine.now = counted  # type: ignore[method-assign]

    _, finished, at = conducted(hangs, meanwhile)
    assert not finished
    assert 300 <= at < 370
    assert turns < 100


def test_a_session_is_told_nothing_twice_while_it_cleans_up() -> None:
    cancels: list[str] = []

    async def session(engine: Engine, actor: ActorId) -> None:
        try:
            await hangs(engine, actor)
        except asyncio.CancelledError:
            cancels.append("first")
            try:
                await asyncio.sleep(90)
            except asyncio.CancelledError:
                cancels.append("second")
            raise

    async def meanwhile(engine: Engine, actor: ActorId) -> None:
        await asyncio.sleep(1)
        await engine.submit(c.CancelActor(ROOT, "x"))

    conducted(session, meanwhile)
    assert cancels == ["first"]


def test_an_actor_that_is_cancelled_before_its_first_step_settles_as_well() -> None:
    begun: list[ActorId] = []

    async def session(engine: Engine, actor: ActorId) -> None:
        begun.append(actor)
        await hangs(engine, actor)

    async def meanwhile(engine: Engine, actor: ActorId) -> None:
        # The conductor looks between the two commands and waits for the commit of both: it
        # launches what it must stop in its next breath.
        cancelling = asyncio.create_task(engine.submit(c.CancelRun("at once")))
        await engine.submit(c.WarnActor(ROOT))
        await cancelling

    engine, finished, at = conducted(session, meanwhile)
    assert finished
    assert begun == []
    assert kinds(engine) == {ROOT: "Cancelled"}
    assert at < 1


def test_a_session_that_cancels_itself_counts_as_broken() -> None:
    async def session(engine: Engine, actor: ActorId) -> None:
        raise asyncio.CancelledError

    engine, _, _ = conducted(session)
    assert "cancelled from within" in engine.run.records[ROOT].error


def test_a_blob_that_is_missing_breaks_its_session_and_nothing_else() -> None:
    async def session(engine: Engine, actor: ActorId) -> None:
        raise StoreError("Blob x is missing.")

    engine, finished, _ = conducted(session)
    assert finished
    assert "Blob x is missing." in engine.run.records[ROOT].error


def test_of_several_errors_the_first_is_told() -> None:
    async def session(engine: Engine, actor: ActorId) -> None:
        raise ExceptionGroup("several", [ExceptionGroup("more", [ValueError("the cause")])])

    engine, _, _ = conducted(session)
    assert engine.run.records[ROOT].error.endswith("ValueError: the cause")


def test_a_session_that_does_not_hear_is_told_again_when_the_run_is_let_go_of() -> None:
    async def session(engine: Engine, actor: ActorId) -> None:
        with suppress(asyncio.CancelledError):
            await hangs(engine, actor)
        await hangs(engine, actor)

    async def meanwhile(engine: Engine, actor: ActorId) -> None:
        await engine.submit(c.DrainRun())

    engine, finished, at = conducted(session, meanwhile)
    assert not finished
    assert engine.run.actors[ROOT].crashes == 0
    assert 15 <= at < 16


def test_a_failed_store_ends_the_conductor_and_every_session() -> None:
    ended: list[ActorId] = []

    async def main() -> Any:
        store = MemoryStore()
        await store.create(RUN, "")
        engine = await Engine.open(store, RUN, JumpingClock(asyncio.get_running_loop()), "a test")
        await engine.submit(c.StartRun(RUN, MANIFEST))

        async def session(actor: ActorId) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(actor)

        going = asyncio.create_task(Conductor(engine, session).run())
        await asyncio.sleep(1)
        store.memory.runs[RUN].epoch += 1
        results = await asyncio.gather(engine.submit(c.DrainRun()), going, return_exceptions=True)
        await engine.close()
        return results

    first, second = run_jumping(main(), real_secs=20)
    assert isinstance(first, StoreError)
    assert isinstance(second, StoreError)
    assert ended == [ROOT]


def test_a_finished_run_is_finished_once() -> None:
    async def session(engine: Engine, actor: ActorId) -> None:
        await ends(engine, actor)
        await ends(engine, actor)

    found: list[type[e.Event]] = []

    async def meanwhile(engine: Engine, actor: ActorId) -> None:
        engine.listen(lambda events: found.extend(type(each.event) for each in events))

    conducted(session, meanwhile)
    assert found.count(e.RunFinished) == 1


def test_garbage_is_looked_for_less_often_only_while_a_run_goes_on() -> None:
    before, during = gc.get_threshold(), []

    async def session(engine: Engine, actor: ActorId) -> None:
        during.append(gc.get_threshold()[0])
        await ends(engine, actor)
        await ends(engine, actor)

    conducted(session)
    assert during == [NEW_OBJECTS_MAX]
    assert gc.get_threshold() == before
    gc.set_threshold(0)
    try:
        with rare_collections():
            assert gc.get_threshold()[0] == 0
    finally:
        gc.set_threshold(*before)


# --- worktrees


async def placed_and_ends(engine: Engine, actor: ActorId) -> None:
    """A session that has a worktree made and ends."""
    workspace = engine.run.workspaces[actor]
    place = c.RecordWorkspace(actor, workspace.branch, "abc", "/repo/.git")
    await engine.submit(place)
    await engine.submit(c.RecordWorkspaceMade(actor))
    await engine.submit(c.RecordExit(actor, "failed", error="it broke"))


PLACED = Manifest(
    Lead("lead", "Go.", Settings(model="claude-haiku-4-5", directory="/repo", use_worktree=True)),
    house=HouseRules(worktree_cleanup="always"),
)


def test_a_run_ends_when_its_worktrees_were_looked_at_once() -> None:
    looks: list[ActorId] = []

    async def tidy(actor: ActorId) -> str:
        looks.append(actor)
        await asyncio.sleep(5)
        return "1 commit not merged"

    engine, finished, at = conducted(placed_and_ends, None, PLACED, tidy)
    assert (finished, looks, at >= 5) == (True, [ROOT], True)
    assert engine.run.workspaces[ROOT].why == "1 commit not merged"


def test_a_worktree_that_cannot_be_looked_at_stays_and_holds_up_nothing() -> None:
    async def tidy(actor: ActorId) -> str:
        raise OSError("the disk is gone")

    engine, finished, _ = conducted(placed_and_ends, None, PLACED, tidy)
    assert finished
    assert engine.run.workspaces[ROOT].why == "it could not be removed: OSError: the disk is gone"


def test_a_run_that_is_let_go_of_while_a_worktree_is_looked_at_is_not_over() -> None:
    async def tidy(actor: ActorId) -> str:
        conductors[0].suspend()
        await asyncio.Event().wait()
        return ""

    conductors: list[Conductor] = []

    async def main() -> Engine:
        store = MemoryStore()
        await store.create(RUN, "")
        engine = await Engine.open(store, RUN, JumpingClock(asyncio.get_running_loop()), "a test")
        await engine.submit(c.OwnRun(engine.epoch, "a test"))
        await engine.submit(c.StartRun(RUN, PLACED))
        conductors.append(Conductor(engine, lambda actor: placed_and_ends(engine, actor), tidy))
        assert not await conductors[0].run()
        await engine.close()
        return engine

    engine = run_jumping(main(), real_secs=20)
    assert engine.run.workspaces[ROOT].state == "made"
    assert engine.run.status == "running"


# --- checks


async def claims(engine: Engine, actor: ActorId) -> None:
    """A session: the lead spawns a worker that is checked, and ends a while after."""
    if actor == ROOT:
        asked = Contract(files=("out.md",))
        await engine.submit(c.SpawnActor(ROOT, CallId("a"), "Do it.", contract=asked))
        await asyncio.sleep(50)
        assert W1 in engine.run.records
        await engine.submit(c.RecordExit(ROOT, "failed", error="enough"))
    else:
        await engine.submit(c.RecordExit(actor, "completed", "Done."))


def test_who_claims_to_be_done_is_checked_once_its_session_is_over() -> None:
    checks: list[str] = []

    async def check(engine: Engine, actor: ActorId) -> None:
        checks.append(actor)
        await engine.submit(c.RecordChecks(actor, (evidence("files", "a", ok=True),), "Done."))

    engine, finished, _ = conducted(claims, check=check)
    assert finished
    assert checks == [W1]
    assert engine.run.records[W1].outcome == "verified"


def test_checks_that_break_are_made_again_and_then_fail_the_actor() -> None:
    checks: list[str] = []

    async def check(engine: Engine, actor: ActorId) -> None:
        checks.append(actor)
        raise OSError("the disk is full")

    engine, finished, _ = conducted(claims, check=check)
    assert finished
    assert len(checks) == 3
    record = engine.run.records[W1]
    assert record.status == "Failed"
    assert "OSError: the disk is full" in record.error


def test_who_is_cancelled_while_it_is_checked_settles_so_and_the_checks_end() -> None:
    ended: list[str] = []

    async def check(engine: Engine, actor: ActorId) -> None:
        try:
            await engine.submit(c.CancelActor(actor, "enough"))
            await asyncio.sleep(10_000)
        finally:
            ended.append(actor)

    engine, finished, secs = conducted(claims, check=check)
    assert finished
    assert ended == [W1]
    assert secs < 60
    assert engine.run.records[W1].status == "Cancelled"


def test_commands_are_frozen_and_thawed_in_the_order_in_which_that_was_asked() -> None:
    deeds: list[str] = []

    async def still(actor: ActorId, frozen: bool) -> None:
        deeds.append(f"{'freeze' if frozen else 'thaw'} {actor}")
        await asyncio.sleep(5 if frozen else 0)
        deeds.append("done")

    async def session(engine: Engine, actor: ActorId) -> None:
        await asyncio.sleep(20)
        await engine.submit(c.RecordExit(actor, "completed", "done"))
        await engine.submit(c.RecordExit(actor, "completed", "done"))

    async def meanwhile(engine: Engine, lead: ActorId) -> None:
        await asyncio.sleep(1)
        await engine.submit(c.PauseActor(lead, "freeze"))
        await asyncio.sleep(1)
        await engine.submit(c.ContinueActor(lead))

    _, finished, _ = conducted(session, meanwhile, still=still)
    assert finished
    assert deeds == ["freeze root", "done", "thaw root", "done"]


def test_what_cannot_be_frozen_holds_up_nobody() -> None:
    async def still(actor: ActorId, frozen: bool) -> None:
        raise PermissionError("not yours")

    async def session(engine: Engine, actor: ActorId) -> None:
        await asyncio.sleep(20)
        await engine.submit(c.RecordExit(actor, "completed", "done"))
        await engine.submit(c.RecordExit(actor, "completed", "done"))

    async def meanwhile(engine: Engine, lead: ActorId) -> None:
        await asyncio.sleep(1)
        await engine.submit(c.PauseActor(lead, "freeze"))

    _, finished, _ = conducted(session, meanwhile, still=still)
    assert finished
