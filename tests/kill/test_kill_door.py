"""Kill door: an owner dies while a client's answer streams; the call is settled within bounds."""

import asyncio
import sys
from pathlib import Path

import aiohttp
import pytest

from leadhand.domain import events as e
from leadhand.domain.ids import ROOT
from leadhand.domain.invariants import broken
from leadhand.model_wiring import make_models
from leadhand.stores.sqlite import SqliteStore
from leadhand.testing.model_server import model_server
from leadhand.testing.step import Step
from leadhand.wiring import resume_run
from tests.gateway.door_kit import asking, sent
from tests.kill.door_program import environ

REPOSITORY = Path(__file__).parents[2]
SILENT = Step(text="word " * 500, silent_after=6)


@pytest.mark.slow
def test_a_call_in_flight_of_a_killed_owner_counts_whole(tmp_path: Path) -> None:
    async def main() -> None:
        async with model_server(lambda request: SILENT) as server:
            program = [sys.executable, "-m", "tests.kill.door_program", str(tmp_path), server.url]
            owner = await asyncio.create_subprocess_exec(
                *program, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE
            )
            assert owner.stdout is not None
            run_id, url, token = (await owner.stdout.readline()).decode().split()
            async with aiohttp.ClientSession() as client:
                path, shown = f"{url}/v1/messages", {"x-api-key": token}
                asks = asyncio.create_task(sent(client, path, asking(), shown))
                await server.until_asked()
                await asyncio.sleep(0.2)
                owner.kill()
                await owner.wait()
                got = await asks
            assert (got.whole, b"message_stop" in got.body) == (False, False)
            await resumed(tmp_path, run_id, server.url)

    async def resumed(base: Path, run_id: str, url: str) -> None:
        store, models = SqliteStore(base / "runs"), make_models(environ(url))
        live = await resume_run(store, base / "runs", run_id, models=models)
        try:
            events = [each.event for each in await live.engine.stamped()]
            (admitted,) = [each for each in events if isinstance(each, e.CallAdmitted)]
            (cut,) = [each for each in events if isinstance(each, e.CallCut)]
            run = live.engine.run
            assert cut.charged == admitted.bound == run.spent
            assert run.actors[ROOT].call is None
            assert broken(run) == []
        finally:
            await live.close()
            await store.close()

    asyncio.run(main())
