"""Clock: the run's hand never jumps, whatever the wall does; the kit's clock jumps only ahead."""

import asyncio
import time

import pytest

from leadhand.engine.clock import SystemClock
from leadhand.testing.clock import Deadlock, JumpingClock, JumpingLoop, TookTooLong, run


def test_the_run_goes_on_from_where_it_was() -> None:
    clock = SystemClock()
    clock.resume(5_000)
    first = clock.now().run_ms
    assert 5_000 <= first < 5_500
    time.sleep(0.01)
    assert clock.now().run_ms >= first + 10


def test_a_jump_of_the_wall_does_not_move_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    clock.resume(0)
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    now = clock.now()
    assert now.wall_ms == 0
    assert 0 <= now.run_ms < 1_000


def test_sleeping_costs_no_time() -> None:
    async def main() -> float:
        await asyncio.sleep(1_000_000)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run(main()) == pytest.approx(1_000_000)
    assert time.monotonic() - began < 1


def test_timers_end_in_their_order_and_a_timeout_is_one() -> None:
    ended: list[str] = []

    async def sleeper(secs: float) -> None:
        await asyncio.sleep(secs)
        ended.append(f"slept {secs}")

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for secs in (3.0, 1.0, 2.0):
                group.create_task(sleeper(secs))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2.5):
                    await asyncio.Event().wait()
            ended.append("timed out")

    run(main())
    assert ended == ["slept 1.0", "slept 2.0", "timed out", "slept 3.0"]


def test_a_thread_s_work_is_done_at_once() -> None:
    async def main() -> str:
        return await asyncio.to_thread(lambda: "done")

    assert run(main()) == "done"


def test_who_waits_for_nothing_is_told_so() -> None:
    async def main() -> None:
        await asyncio.create_task(asyncio.Event().wait(), name="the waiter")

    with pytest.raises(Deadlock, match=r"nothing is ready and no timer is set.*the waiter"):
        run(main())


def test_who_never_rests_is_ended() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(again)
        await asyncio.Event().wait()

    def again() -> None:
        asyncio.get_running_loop().call_soon(again)

    with pytest.raises(TookTooLong):
        run(main(), real_secs=0.05)


def test_a_look_is_taken_before_each_jump() -> None:
    jumps: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, JumpingLoop)
        loop.when_idle(jumps.append)
        await asyncio.sleep(2)
        await asyncio.sleep(0)
        await asyncio.sleep(3)

    run(main())
    assert jumps == pytest.approx([2, 3])


def test_both_hands_follow_the_loop_and_the_wall_moves_on_demand() -> None:
    async def main() -> None:
        clock = JumpingClock(asyncio.get_running_loop(), wall_ms=1_000)
        await asyncio.sleep(5)
        clock.resume(100)
        await asyncio.sleep(2)
        clock.move_wall(-500)
        now = clock.now()
        assert now.run_ms == 2_100
        assert now.wall_ms == 7_500

    run(main())
