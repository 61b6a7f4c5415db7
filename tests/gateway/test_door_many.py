"""Door many: two hundred clients at once, each with its own token, and their owner's end."""

import asyncio
from pathlib import Path

import pytest

from leadhand.domain import events as e
from leadhand.domain.ids import ActorId
from leadhand.domain.invariants import broken
from leadhand.domain.money import NANO, Usage
from leadhand.model import Request
from leadhand.testing import Reply
from tests.gateway.door_kit import asking, stage

ACTORS, TURNS = 200, 3
USAGE = Usage(300, 70)


@pytest.mark.slow
def test_two_hundred_clients_are_told_apart_and_metered_each(tmp_path: Path) -> None:
    async def script(request: Request) -> Reply:
        await asyncio.sleep(0.02)
        return Reply(text=str(request.messages[-1].blocks), usage=USAGE)

    async def main() -> None:
        house = {"budget_nanousd": 100 * NANO, "max_workers": 400}
        async with stage(tmp_path, script, house=house) as it:
            workers = [await it.worker(number) for number in range(ACTORS)]
            run = it.live.engine.run

            async def client(actor: ActorId) -> None:
                token = it.token(actor)
                for turn in range(TURNS):
                    got = await it.ask(token, asking(text=f"{actor} says {turn}"))
                    assert got.status == 200
                    assert f"{actor} says {turn}".encode() in got.body

            await asyncio.gather(*map(client, workers))
            assert broken(run) == []
            turns = await it.all(e.TurnRecorded)
            assert len(turns) == ACTORS * TURNS
            assert {run.actors[each].usage.context for each in workers} == {TURNS * 370}
            assert run.spent == ACTORS * TURNS * 370

    asyncio.run(main())


@pytest.mark.slow
def test_requests_of_one_actor_at_once_are_answered_one_after_another(tmp_path: Path) -> None:
    async def main() -> None:
        async with stage(tmp_path, lambda request: Reply(text="ok", usage=USAGE)) as it:
            token = it.token()
            answers = await asyncio.gather(*(it.ask(token, asking()) for _ in range(20)))
            assert {each.status for each in answers} == {200}
            assert await it.all(e.CallCut) == []

    asyncio.run(main())
