"""Storm: two hundred workers and a provider that takes far fewer, over real HTTP."""

import asyncio
import time
from itertools import pairwise
from pathlib import Path

import pytest

from leadhand.domain import events as e
from leadhand.domain.ids import ROOT
from leadhand.gateway.pace import JITTER
from leadhand.model import Request
from leadhand.models.scripted import Reply
from leadhand.testing.script import turn
from leadhand.testing.step import Step
from tests.gateway.kit import manifest, owned, served, spawning
from tests.seeds.kit import Ended

pytestmark = pytest.mark.slow

WORKERS = 200
AT_A_TIME = 10
# What is refused until the limit, halved once a round, is what the provider takes: 200 leave at
# once, then 100, 50, 25 and 12.
CASCADE = sum(limit - AT_A_TIME for limit in (200, 100, 50, 25, 12))
# Then the limit grows by one a round until it is too much again, which takes so many answers.
ANSWERS_PER_PROBE = sum(range(AT_A_TIME // 2, AT_A_TIME))


class Provider:
    """A provider that takes so much and refuses the rest. refused, answered: when."""

    def __init__(
        self,
        refusal: Step,
        *,
        turns: int = 2,
        at_a_time: int = 10**6,
        per_sec: float = 1e9,
        bucket: float = 1e9,
    ) -> None:
        """turns: of each worker. per_sec: what fills the bucket that each answer takes one of."""
        self.refusal, self.turns = refusal, turns
        self.at_a_time, self.per_sec, self.bucket = at_a_time, per_sec, bucket
        self.busy = 0
        self.tokens, self.filled = bucket, time.monotonic()
        self.refused: list[float] = []
        self.answered: list[float] = []

    async def answer(self, request: Request) -> Reply:
        if request.actor_id == ROOT:
            prompts = [{"prompt": f"number {number}"} for number in range(WORKERS)]
            return spawning(request, prompts)
        if not self.takes():
            self.refused.append(time.monotonic())
            return self.refusal
        self.busy += 1
        try:
            await asyncio.sleep(0.02)
        finally:
            self.busy -= 1
        self.answered.append(time.monotonic())
        if turn(request) < self.turns - 1:
            return Reply(calls=(("Glob", {"pattern": "*.none"}),))
        return Reply(text="Done.")

    def takes(self) -> bool:
        now = time.monotonic()
        self.tokens = min(self.bucket, self.tokens + (now - self.filled) * self.per_sec)
        self.filled = now
        if self.busy >= self.at_a_time or self.tokens < 1:
            return False
        self.tokens -= 1
        return True


def weathered(base: Path, provider: Provider) -> Ended:
    """The run, all of whose workers have succeeded, and each of whose calls was paid once."""
    with served(provider.answer) as server:
        ended = owned(base, manifest(base), server)
    assert ended.run.status == "succeeded"
    assert len(ended.run.records) == WORKERS + 1
    assert {each.turns for each in ended.run.records.values() if each.id != ROOT} == {
        provider.turns
    }
    assert len(provider.answered) == WORKERS * provider.turns
    assert ended.all(e.CallCut) == [], "a refusal that passes is waited out with its reservation"
    assert provider.refused
    return ended


def later(provider: Provider) -> tuple[list[float], list[float]]:
    """What was refused and answered after a third of all answers."""
    since = provider.answered[len(provider.answered) // 3]
    return [[at for at in times if at > since] for times in (provider.refused, provider.answered)]  # type: ignore[return-value]


def longest_gap(times: list[float]) -> float:
    return max(after - before for before, after in pairwise(times))


@pytest.mark.parametrize(
    ("status", "headers", "longest_break"),
    [(429, {}, 1 + JITTER), (529, {"retry-after": "0.2"}, 0.2 * (1 + JITTER))],
)
def test_a_provider_that_takes_ten_at_a_time_is_soon_asked_by_ten_at_a_time(
    tmp_path: Path, status: int, headers: dict[str, str], longest_break: float
) -> None:
    provider = Provider(Step(status=status, headers=headers), at_a_time=AT_A_TIME)
    ended = weathered(tmp_path, provider)
    assert len(provider.refused) <= CASCADE + len(provider.answered) // ANSWERS_PER_PROBE + 5
    refused, answered = later(provider)
    assert len(refused) <= len(answered) // ANSWERS_PER_PROBE + 5
    # Throughput is back: nobody waits for longer than a break, give or take a slow machine.
    assert longest_gap(answered) < longest_break + 2
    held = ended.all(e.CallHeld)
    assert {each.why for each in held if "turn" not in each.why} <= {
        "its provider, which limits the rate of calls", "its provider, which is overloaded",
    }  # fmt: skip
    assert held, "who waits for longer than a second says what for"


def test_a_provider_that_gives_two_hundred_a_second_is_soon_asked_for_that(tmp_path: Path) -> None:
    refusal = Step(status=429, headers={"retry-after": "0.2"})
    provider = Provider(refusal, turns=4, per_sec=200, bucket=50)
    weathered(tmp_path, provider)
    # All at once, then half as many, a quarter ...
    assert len(provider.refused) <= 2 * WORKERS
    refused, answered = later(provider)
    assert len(refused) <= len(answered) // 10
    assert longest_gap(answered) < 2
