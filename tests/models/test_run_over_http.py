"""Run over http: a whole run, its lead and its workers played by a model server in each dialect."""

import asyncio
from pathlib import Path

import pytest

from leadhand.domain.ids import ROOT
from leadhand.domain.manifest import HouseRules, Lead, Manifest, Settings
from leadhand.domain.money import NANO, Price
from leadhand.model import Request
from leadhand.models.scripted import Reply
from leadhand.stores.sqlite import SqliteStore
from leadhand.testing.model_server import model_server
from leadhand.testing.script import done, turn
from leadhand.testing.step import Step
from leadhand.wiring import start_run

pytestmark = pytest.mark.slow

REPORT = "STATUS: success\nCOMPLETED\n- both\nDEFERRED OR FAILED\n- none\nCOST SUMMARY\n- none"
KEY = "sk-secret-0123456789"


def script(request: Request) -> Reply:
    """A lead with two workers, one of which meets trouble on its way."""
    if "/" in request.actor_id:
        if turn(request) == 0:
            return Step(thinking="Look.", calls=(("Read", {"file_path": "note.txt"}),))
        return Reply(text=f"It says: {done(request, 'Read')[0].text}")
    if not done(request, "spawn_worker"):
        prompts = [{"prompt": f"Read it, number {number}."} for number in (1, 2)]
        return Step(text="Two.", calls=tuple(("spawn_worker", prompt) for prompt in prompts))
    if not done(request, "wait_actor"):
        ids = [each.json["worker_id"] for each in done(request, "spawn_worker")]
        return Reply(calls=tuple(("wait_actor", {"worker_id": each}) for each in ids))
    results = [each.text for each in done(request, "wait_actor")]
    assert all("hello" in result for result in results), results
    return Reply(text=REPORT)


@pytest.mark.parametrize(
    "model", ["anthropic:claude-haiku-4-5", "openai:gpt-5", "openai-chat:somebodys"]
)
def test_a_run_succeeds_over_http_and_its_log_holds_no_key(tmp_path: Path, model: str) -> None:
    (tmp_path / "note.txt").write_text("hello\n")
    manifest = Manifest(
        Lead("lead", "Have it read.", Settings(model=model, directory=str(tmp_path))),
        HouseRules(budget_nanousd=5 * NANO),
        prices={model: Price(NANO, 5 * NANO, NANO // 10, NANO)},
    )

    async def main() -> None:
        async with model_server(script) as server:
            environ = {
                "ANTHROPIC_API_KEY": KEY,
                "ANTHROPIC_BASE_URL": server.url,
                "OPENAI_API_KEY": KEY,
                "OPENAI_BASE_URL": server.openai_url,
            }
            store = SqliteStore(tmp_path / "runs")
            live = await start_run(store, tmp_path / "runs", manifest, "", environ=environ)
            try:
                assert await asyncio.wait_for(live.go(), 60)
                assert live.engine.run.status == "succeeded"
                assert live.engine.run.envelopes[ROOT].spent > 0
                assert {seen.actor for seen in server.seen} == {"root", "root/W1", "root/W2"}
            finally:
                await live.close()
                await store.close()

    asyncio.run(main())
    for path in (tmp_path / "runs").rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path
