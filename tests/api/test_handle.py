"""Handle: what a program sees of a run and does to it, whoever works on it."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import leadhand
from leadhand.api.look import present
from leadhand.domain.clock import Now
from tests.api.kit import Crew, manifest, opened, play
from tests.cli.kit import Desk, desk, ended


def test_a_run_at_work_is_seen_whole_and_so_is_one_that_is_over(tmp_path: Path) -> None:
    async def main() -> None:
        crew = Crew(opened=False)
        async with opened(tmp_path, crew) as lh:
            run = await lh.dispatch(manifest())
            await crew.met()
            stands = await run.status()
            assert (stands.status, stands.live, stands.lead) == ("running", 3, "api")
            assert f"process {os.getpid()}" in stands.owner
            tree = await run.tree()
            assert [each.id for each in tree.branches] == ["root", "root/W1", "root/W2"]
            assert tree.branches[1].step == "asks script:crew"
            assert len((await run.tree(1)).branches) == 1
            [told] = await run.why("two")
            assert told.about == "root/W2"
            assert told.waits_for == "script:crew to answer"
            assert (await run.cost()).calls == 2
            crew.gate.set()
            assert (await run.result()).ok
            assert (await run.result()).ok
            assert (await run.status()).status == "succeeded"
            assert (await run.tree()).status == "succeeded"
            assert (await run.cost()).turns == 5
            [why] = await run.why()
            assert "Its lead's report says success." in why.sentences
            other = await lh.run(run.id)
            assert other is not run
            assert await other.result() == await run.result()
            assert repr(other) == f"RunHandle('{run.id}')"

    play(main())


def test_a_run_is_cancelled_whole_or_one_actor_of_it(tmp_path: Path) -> None:
    async def main() -> tuple[leadhand.Result, leadhand.Result]:
        crew = Crew(opened=False)
        async with opened(tmp_path, crew) as lh:
            first, second = [await lh.dispatch(manifest()) for _ in range(2)]
            await crew.met(4)
            assert await first.cancel("two", "wrong job") == leadhand.Cancelled("root/W2", True)
            assert await second.cancel() == leadhand.Cancelled(f"run {second.id}", True)
            ended = await second.result()
            crew.gate.set()
            return await first.result(), ended

    first, second = play(main())
    assert [each.status for each in first.tasks] == ["Success", "Success", "Cancelled"]
    assert first.status == "partial"
    assert (second.status, second.resumable) == ("cancelled", False)
    assert {each.status for each in second.tasks} == {"Cancelled"}


def test_a_run_is_steered_by_its_handle(tmp_path: Path) -> None:
    async def main() -> tuple[leadhand.Result, Crew]:
        crew = Crew(opened=False)
        async with opened(tmp_path, crew) as lh:
            run = await lh.dispatch(manifest())
            await crew.met(2)
            assert await run.pause("one", reason="look first") == leadhand.Steered("root/W1", True)
            assert await run.pause(freeze=True) == leadhand.Steered(f"run {run.id}", True)
            states = {each.id: each.state for each in (await run.tree()).branches}
            assert states == {"root": "frozen", "root/W1": "paused", "root/W2": "frozen"}
            assert (await run.status()).paused == 3
            assert (await run.send("W2", "Mind the gap.")).what == "root/W2"
            assert (await run.reprompt("one", "Otherwise.")).what == "root/W1"
            assert (await run.continue_()).what == f"run {run.id}"
            with pytest.raises(leadhand.Refused, match="nobody below root is paused"):
                await run.continue_()
            with pytest.raises(leadhand.UsageError, match="unknown actor: W7"):
                await run.pause("W7")
            with pytest.raises(leadhand.Refused, match="the message is empty"):
                await run.send("W2", "")
            crew.gate.set()
            return await run.result(), crew

    result, crew = play(main())
    assert result.status == "succeeded"
    assert crew.asked["root/W1"] == 2
    # Its answer came when a message waited that it had not read.
    assert crew.asked["root/W2"] == 2


def test_a_settled_worker_is_continued_by_the_handle_of_its_run(tmp_path: Path) -> None:
    async def main() -> leadhand.Result:
        crew = Crew(opened=False)
        async with opened(tmp_path, crew) as lh:
            run = await lh.dispatch(manifest())
            await crew.met(2)
            await run.pause("two")
            crew.gate.set()
            async for event in run.events():
                if event.type == "ActorSettled":
                    break
            await run.continue_("one", "Once more.")
            await run.continue_("two")
            return await run.result()

    result = play(main())
    assert {each.task_id: each.stint for each in result.tasks}["root/W1"] == 2


@pytest.mark.slow
def test_a_run_that_is_drained_is_let_go_of_after_its_grace_and_can_be_resumed(
    tmp_path: Path,
) -> None:
    async def main() -> tuple[leadhand.Result, leadhand.Result]:
        crew = Crew(opened=False)
        async with opened(tmp_path, crew) as lh:
            run = await lh.dispatch(manifest())
            await crew.met()
            await run.drain()
            assert (await run.status()).draining
            drained = await run.result()
            crew.gate.set()
            return drained, await (await lh.resume(run.id)).result()

    drained, resumed = play(main())
    assert (drained.status, drained.resumable) == ("interrupted", True)
    assert resumed.status == "succeeded"


def test_a_run_that_is_suspended_gives_what_it_has_come_to(tmp_path: Path) -> None:
    async def main() -> leadhand.Result:
        crew = Crew(opened=False)
        async with opened(tmp_path, crew) as lh:
            run = await lh.dispatch(manifest())
            await crew.met()
            run.suspend()
            result = await run.result()
            run.suspend()
            return result

    result = play(main())
    assert (result.status, result.resumable, result.ok) == ("interrupted", True, False)
    assert result.tasks == ()


def test_a_run_that_nobody_works_on_is_cancelled_in_its_place(tmp_path: Path) -> None:
    async def main() -> tuple[leadhand.Cancelled, leadhand.Result]:
        crew = Crew(opened=False)
        async with opened(tmp_path, crew) as lh:
            run = await lh.dispatch(manifest())
            await crew.met()
            run.suspend()
            await run.result()
            done = await run.cancel(reason="no longer wanted")
            return done, await (await lh.resume(run.id)).result()

    done, result = play(main())
    assert done.by_owner is False
    assert result.status == "cancelled"


def test_events_of_a_run_that_nobody_works_on_end_where_its_log_ends(tmp_path: Path) -> None:
    async def main() -> list[leadhand.Event]:
        crew = Crew(opened=False)
        async with opened(tmp_path, crew) as lh:
            run = await lh.dispatch(manifest())
            await crew.met()
            run.suspend()
            async with asyncio.timeout(30):
                return [each async for each in run.events()]

    assert "RunFinished" not in {each.type for each in play(main())}


def test_the_clock_of_a_run_stands_still_while_nobody_works_on_it() -> None:
    last = Now(1_000, 500)
    assert present(last, 4_000, running=True) == Now(4_000, 3_500)
    assert present(last, 4_000, running=False) == Now(4_000, 500)
    assert present(last, 900, running=True) == Now(900, 500)
    assert present(None, 4_000, running=True) == Now(4_000, 0)


# --- a run that another process works on


@contextmanager
def sat(folder: Path) -> Iterator[Desk]:
    """A desk with an empty folder to work in."""
    (folder / "work").mkdir()
    with desk(folder / "work", folder / "runs") as at:
        yield at


@pytest.mark.slow
def test_a_run_of_another_process_is_read_and_cancelled(tmp_path: Path) -> None:
    async def main(at: Desk) -> leadhand.Result:
        async with leadhand.open(at.runs) as lh:
            run = await lh.run(at.latest())
            assert (await run.status()).status == "running"
            assert [each.id for each in (await run.tree()).branches][1:] == ["root/W1", "root/W2"]
            types = [each.type async for each in run.events(follow=False)]
            assert types.count("ActorSpawned") == 3
            done = await run.cancel("job 2", "wrong")
            assert done == leadhand.Cancelled("root/W2", by_owner=True)
            run.suspend()  # Not ours to suspend.
            at.touch("open")
            async with asyncio.timeout(60):
                return await run.result()

    with sat(tmp_path) as at:
        dispatch = at.gate().gated()
        result = play(main(at))
        assert ended(dispatch).code == 1
    assert [each.status for each in result.tasks] == ["Success", "Success", "Cancelled"]


@pytest.mark.slow
def test_a_run_of_another_process_is_drained_and_one_that_dies_is_interrupted(
    tmp_path: Path,
) -> None:
    async def drained(at: Desk) -> bool:
        async with leadhand.open(at.runs) as lh:
            run = await lh.run(at.latest())
            await run.drain()
            return (await run.status()).draining

    async def died(at: Desk, dispatch: int) -> str:
        async with leadhand.open(at.runs) as lh:
            run = await lh.run(at.latest())
            waiting = asyncio.create_task(run.result())
            await asyncio.sleep(0.1)
            assert not waiting.done()
            os.kill(dispatch, signal.SIGKILL)
            async with asyncio.timeout(60):
                return (await waiting).status

    with sat(tmp_path) as at:
        dispatch = at.gate().gated()
        assert play(drained(at))
        assert play(died(at, dispatch.pid)) == "interrupted"
