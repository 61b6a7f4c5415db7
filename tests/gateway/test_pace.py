"""Pace: how a lane lets calls in, in virtual time: fewer after a complaint, none during a break."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from random import Random
from typing import Any

import pytest

from leadhand.errors import ModelError
from leadhand.gateway.pace import (
    BACKOFF_MAX_SECS,
    BREAK_MIN_SECS,
    JITTER,
    QUOTA_SECS,
    START,
    TELL_SECS,
    Governor,
    Lane,
)
from leadhand.testing import clock

Told = list[tuple[str, float]]


class Street:
    """A lane, the wall clock beside it, and what those who wait in it were told."""

    def __init__(self, limit: float = START) -> None:
        self.wall_ms = 1_000_000
        self.lane = Lane(Random(7), lambda: self.wall_ms)
        self.lane.limit = limit
        self.told: Told = []
        self.order: list[int] = []

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def tell(self, why: str, secs: float) -> None:
        self.told.append((why, secs))

    async def enter(self) -> float:
        return await self.lane.enter(self.tell)

    async def call(self, number: int = 0, secs: float = 0.0, *, grows: bool = False) -> float:
        """One call that is over after a while; when it entered. grows: it was answered, so the
        limit may grow."""
        entered = await self.enter()
        self.order.append(number)
        try:
            await asyncio.sleep(secs)
            if grows:
                self.lane.answered()
        finally:
            self.lane.leave()
        return entered

    async def refused(self, after: float | None = None, kind: str = "rate_limited") -> float:
        """One call that the provider refuses at once; when."""
        entered = await self.enter()
        self.complain(entered, after, kind)
        self.lane.leave()
        return self.now

    def complain(
        self, entered: float, after: float | None = None, kind: str = "rate_limited"
    ) -> None:
        error = ModelError("no", kind=kind, billed=False, retry_after_secs=after)  # type: ignore[arg-type]
        self.lane.complained(error, entered)


def going(main: Coroutine[Any, Any, None]) -> None:
    clock.run(main, 30)


async def settled() -> None:
    """Let everybody do what they can at this instant."""
    for _ in range(20):
        await asyncio.sleep(0)


# --- the limit


def test_no_more_enter_than_the_limit_and_each_that_leaves_lets_one_in() -> None:
    async def main() -> None:
        street = Street(limit=3)
        calls = [asyncio.create_task(street.call(number, 10)) for number in range(9)]
        await settled()
        assert street.lane.busy == 3
        assert [await each for each in calls] == [0, 0, 0, 10, 10, 10, 20, 20, 20]
        assert street.lane.busy == 0

    going(main())


def test_they_enter_in_the_order_in_which_they_came() -> None:
    async def main() -> None:
        street = Street(limit=1)
        await asyncio.gather(*(street.call(number, 1) for number in range(20)))
        assert street.order == list(range(20))

    going(main())


def test_the_limit_is_halved_once_for_a_round_and_not_for_each_complaint() -> None:
    async def main() -> None:
        street = Street()
        entered = [await street.enter() for _ in range(64)]
        for each in entered:
            await asyncio.sleep(0.01)
            street.complain(each)
            street.lane.leave()
        assert street.lane.limit == 32
        await asyncio.sleep(5)
        again = [await street.enter() for _ in range(32)]
        for each in again:
            street.complain(each)
        assert street.lane.limit == 16

    going(main())


def test_the_limit_never_falls_below_one() -> None:
    async def main() -> None:
        street = Street()
        for _ in range(9):
            await street.refused()
        assert street.lane.limit == 1
        assert await street.call() > 0

    going(main())


def test_what_is_halved_is_what_was_in_flight_where_that_is_less_than_the_limit() -> None:
    async def main() -> None:
        street = Street(limit=200)
        entered = [await street.enter() for _ in range(8)]
        street.complain(entered[0])
        assert street.lane.limit == 4

    going(main())


def test_the_limit_grows_by_one_with_each_round_of_answers_while_it_is_what_holds_up() -> None:
    async def main() -> None:
        street = Street()
        for each in [await street.enter() for _ in range(8)]:
            street.complain(each)
            street.lane.leave()
        assert street.lane.limit == 4
        await asyncio.sleep(5)
        entered = Counter(
            await asyncio.gather(*(street.call(secs=1, grows=True) for _ in range(60)))
        )
        rounds = list(entered.values())
        assert rounds[:4] == [4, 4, 5, 6]
        before = street.lane.limit
        for _ in range(50):
            await street.call(secs=1, grows=True)
        assert street.lane.limit == before, "one at a time proves nothing about seven"

    going(main())


def test_before_the_first_complaint_the_limit_doubles_with_each_round() -> None:
    async def main() -> None:
        street = Street(limit=4)
        calls = (street.call(secs=1, grows=True) for _ in range(4 + 8 + 16 + 32))
        assert list(Counter(await asyncio.gather(*calls)).values()) == [4, 8, 16, 32]

    going(main())


# --- breaks


@pytest.mark.parametrize("kind", ["rate_limited", "overloaded"])
def test_nobody_enters_before_the_provider_said(kind: str) -> None:
    async def main() -> None:
        street = Street()
        await street.refused(after=17, kind=kind)
        entered = await asyncio.gather(*(street.call(number) for number in range(40)))
        assert all(17 <= each <= 17 * (1 + JITTER) + 0.001 for each in entered)
        assert street.order == list(range(40))

    going(main())


def test_a_longer_break_holds_before_a_shorter_one_whichever_came_last() -> None:
    async def main() -> None:
        street = Street()
        entered = [await street.enter() for _ in range(2)]
        street.complain(entered[0], after=30)
        street.complain(entered[1], after=2)
        street.lane.leave()
        street.lane.leave()
        assert 30 <= await street.call() <= 36.001

    going(main())


def test_a_break_that_begins_while_somebody_is_told_holds_for_him_too() -> None:
    async def main() -> None:
        street = Street(limit=2)
        slow = [await street.enter() for _ in range(2)]

        async def tell(why: str, secs: float) -> None:
            await asyncio.sleep(5)

        waiting = asyncio.create_task(street.lane.enter(tell))
        await asyncio.sleep(2)
        street.lane.leave()
        street.complain(slow[1], after=60)
        street.lane.leave()
        assert await waiting >= 62
        assert street.lane.busy == 1

    going(main())


def test_without_a_word_from_the_provider_each_break_is_twice_as_long_up_to_a_minute() -> None:
    async def main() -> None:
        street, at, breaks = Street(), 0.0, []
        for _ in range(10):
            now = await street.refused()
            breaks.append(now - at)
            at = now
        for number, each in enumerate(breaks[1:]):
            least = min(BACKOFF_MAX_SECS, 2.0**number)
            assert least <= each <= least * (1 + JITTER) + 0.001
        await street.call(grows=True)
        now = await street.refused()
        assert await street.refused() - now <= 1 + JITTER + 0.001

    going(main())


def test_a_provider_that_says_at_once_is_not_asked_at_once() -> None:
    async def main() -> None:
        street = Street()
        for _ in range(50):
            await street.refused(after=0)
        assert street.now >= 49 * BREAK_MIN_SECS

    going(main())


def test_breaks_of_processes_that_were_refused_together_end_at_different_times() -> None:
    async def main() -> None:
        ends = []
        for seed in range(50):
            street = Street()
            street.lane = Governor(seed).lane("one")
            began = street.now
            await street.refused(after=10)
            ends.append(await street.call() - began)
        assert len(set(ends)) == 50
        assert max(ends) - min(ends) > 10 * JITTER * 0.8
        assert min(ends) >= 10

    going(main())


# --- who waits, and goes away


def test_a_waiter_that_is_cancelled_leaves_its_place_in_the_line_to_the_next() -> None:
    async def main() -> None:
        street = Street(limit=1)
        calls = [asyncio.create_task(street.call(number, 10)) for number in range(6)]
        await settled()
        for number in (1, 3):
            calls[number].cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert street.order == [0, 2, 4, 5]
        assert street.lane.busy == 0

    going(main())


def test_a_place_that_was_given_to_who_is_cancelled_at_that_instant_is_not_lost() -> None:
    async def main() -> None:
        street = Street(limit=1)
        await street.enter()
        first = asyncio.create_task(street.call(1))
        second = asyncio.create_task(street.call(2))
        await settled()
        street.lane.leave()
        first.cancel()
        await second
        assert street.order == [2]
        assert street.lane.busy == 0

    going(main())


def test_whoever_is_cancelled_whenever_no_place_is_lost() -> None:
    async def main() -> None:
        for seed in range(60):
            dice, street = Random(seed), Street(limit=3)
            calls = [asyncio.create_task(street.call(number, 0.5)) for number in range(30)]
            for number in range(40):
                await asyncio.sleep(dice.choice((0.0, 0.1, 0.4, 1.1)))
                dice.choice(calls).cancel()
                if number % 7 == 0:
                    street.complain(street.now, after=dice.choice((0.2, 1.5)))
            await asyncio.gather(*calls, return_exceptions=True)
            assert street.lane.busy == 0, seed
            assert await asyncio.wait_for(street.call(), 60) > 0, seed

    going(main())


def test_a_call_whose_notice_fails_frees_its_place() -> None:
    async def main() -> None:
        street = Street(limit=1)

        async def broken(why: str, secs: float) -> None:
            raise OSError("the disk is full")

        first = asyncio.create_task(street.call(1, 10))
        await settled()
        with pytest.raises(OSError, match="disk is full"):
            await street.lane.enter(broken)
        await first
        assert await street.call() == 10
        assert street.lane.busy == 0

    going(main())


# --- what is told


def test_who_waits_for_less_than_a_second_is_told_nothing() -> None:
    async def main() -> None:
        street = Street(limit=1)
        await asyncio.gather(*(street.call(secs=0.9) for _ in range(2)))
        await street.refused(after=0.8)
        await street.call()
        assert street.told == []

    going(main())


def test_who_waits_longer_is_told_once_what_for_and_how_long() -> None:
    async def main() -> None:
        street = Street(limit=1)
        await asyncio.gather(*(street.call(secs=30) for _ in range(2)))
        assert street.told == [("its turn: its provider takes 1 call at a time", TELL_SECS)]
        await street.refused(after=20)
        await street.call()
        why, secs = street.told[-1]
        assert why == "its provider, which limits the rate of calls"
        assert 20 <= secs <= 24
        await street.refused(after=20, kind="overloaded")
        await street.call()
        assert street.told[-1][0] == "its provider, which is overloaded"
        assert len(street.told) == 3

    going(main())


# --- quota


def quota(resets_at: int | None = None) -> ModelError:
    return ModelError("no credit", kind="quota", billed=False, resets_at=resets_at)


@pytest.mark.parametrize("known", [True, False])
def test_a_quota_refuses_all_who_wait_and_all_who_come_until_it_is_back(known: bool) -> None:
    async def main() -> None:
        street = Street(limit=1)
        await street.enter()
        waiting = [asyncio.create_task(street.call(number)) for number in range(9)]
        await settled()
        resets_at = street.wall_ms + 5_000 if known else None
        street.lane.exhausted(quota(resets_at))
        street.lane.leave()
        for error in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(error, ModelError)
            assert (error.kind, error.billed, error.resets_at) == ("quota", False, resets_at)
        back = street.wall_ms + (5_000 if known else int(QUOTA_SECS * 1000))
        for at in (street.wall_ms, back - 1):
            street.wall_ms = at
            with pytest.raises(ModelError, match="no credit"):
                await street.call()
        assert street.order == []
        street.wall_ms = back
        await street.call()
        assert street.lane.busy == 0

    going(main())


def test_who_got_a_place_at_the_instant_of_the_quota_does_not_ask_either() -> None:
    async def main() -> None:
        street = Street(limit=1)
        await street.enter()
        waiting = asyncio.create_task(street.call())
        await settled()
        street.lane.leave()
        street.lane.exhausted(quota())
        with pytest.raises(ModelError, match="no credit"):
            await waiting
        assert (street.order, street.lane.busy) == ([], 0)

    going(main())


def test_a_lane_is_asked_again_before_the_reset_where_somebody_knows_better() -> None:
    async def main() -> None:
        governor = Governor(0, lambda: 0)
        street = Street()
        street.lane = governor.lane("one")
        street.lane.exhausted(quota(9_000_000))
        with pytest.raises(ModelError, match="no credit"):
            await street.call()
        governor.reopen()
        await street.call()

    going(main())


def test_lanes_of_other_names_know_nothing_of_each_other() -> None:
    async def main() -> None:
        governor = Governor(0)
        street = Street()
        street.lane = governor.lane("one")
        await street.refused(after=50)
        street.lane = governor.lane("another")
        assert await street.call() == 0
        assert governor.lane("one") is not street.lane

    going(main())
