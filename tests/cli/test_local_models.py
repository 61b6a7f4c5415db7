"""Local models: what only a server of this machine serves is free, which is said at the start and
holds until the end."""

import asyncio
from pathlib import Path

import pytest

from leadhand.domain.ids import ROOT
from leadhand.domain.money import NANO, Price
from leadhand.domain.prices import TABLE
from leadhand.load import parse
from leadhand.model import Request
from leadhand.models.scripted import Reply
from leadhand.refusals import UnknownModel
from leadhand.stores.sqlite import SqliteStore
from leadhand.testing.model_server import model_server
from leadhand.testing.script import done
from leadhand.wiring import LiveRun, resume_run, start_run
from tests.cli.kit import Desk

pytestmark = pytest.mark.slow

REPORT = "STATUS: success\nCOMPLETED\n- it\nDEFERRED OR FAILED\n- none\nCOST SUMMARY\n- none"


def manifest(url: str, model: str = "ollama:llama3.1:8b") -> str:
    """A manifest whose lead is served at this URL."""
    return f"""
[run]
max_workers = 2
budget_usd = 0.01
[providers.ollama]
base_url = "{url}"
[lead]
model = "{model}"
prompt = "Have it done."
"""


def script(request: Request) -> Reply:
    """A lead that gives its work to another model of the same server."""
    if "/" in request.actor_id:
        assert request.model == "another:1b"
        return Reply(text="Done.")
    assert request.model == "llama3.1:8b"
    if not done(request, "spawn_worker"):
        spawn = {"prompt": "Do it.", "model": "ollama:another:1b"}
        return Reply(calls=(("spawn_worker", spawn),))
    if not done(request, "wait_actor"):
        worker = done(request, "spawn_worker")[0].json["worker_id"]
        return Reply(calls=(("wait_actor", {"worker_id": worker}),))
    return Reply(text=REPORT)


def test_a_local_model_is_named_once_as_unpriced_and_costs_nothing(at: Desk) -> None:
    async def main() -> None:
        async with model_server(script) as server:
            (at.folder / "m.toml").write_text(manifest(server.openai_url))
            told = await asyncio.to_thread(at.run, "dispatch", "m.toml", "--json")
            warning = "warning: the model ollama:llama3.1:8b is unpriced: local\n"
            assert (told.code, told.err) == (0, warning)
            assert told.json["status"] == "succeeded"
            assert {seen.actor for seen in server.seen} == {"root", "root/W1"}

    asyncio.run(main())


def test_a_server_elsewhere_needs_a_price(at: Desk) -> None:
    (at.folder / "m.toml").write_text(manifest("https://models.example.com/v1"))
    told = at.run("dispatch", "m.toml")
    assert told.code != 0
    assert '[prices."ollama:llama3.1:8b"]' in told.err
    assert "unpriced: local" not in told.err


async def started(folder: Path, text: str, environ: dict[str, str]) -> LiveRun:
    asked = parse(text, "m.toml", folder).manifest
    return await start_run(SqliteStore(folder), folder, asked, text, environ=environ)


def prices_of(live: LiveRun) -> dict[str, Price]:
    assert live.engine.run.manifest is not None
    return live.engine.run.manifest.prices


@pytest.mark.parametrize("model", ["openai-chat:llama3.1:8b", "openai:nobody-knows-it"])
def test_what_is_free_at_the_start_is_free_for_the_run(tmp_path: Path, model: str) -> None:
    async def main() -> None:
        environ = {"OPENAI_BASE_URL": "http://localhost:11434/v1"}
        live = await started(tmp_path, manifest("http://127.0.0.1:1", model), environ)
        assert prices_of(live) == {model: Price()}
        await live.close()
        await live.store.close()

    asyncio.run(main())


def test_a_known_model_behind_a_local_proxy_is_reserved_at_its_price(tmp_path: Path) -> None:
    async def main() -> None:
        text = manifest("http://127.0.0.1:1", "ollama:claude-haiku-4-5")
        live = await started(tmp_path, text, {})
        assert prices_of(live) == {}
        assert live.engine.run.actors[ROOT].price == TABLE["claude-haiku-4-5"]
        await live.close()
        await live.store.close()

    asyncio.run(main())


def test_a_price_of_the_operators_own_holds_for_a_local_model(tmp_path: Path) -> None:
    async def main() -> None:
        text = manifest("http://127.0.0.1:1") + "[prices.'llama3.1:8b']\ninput = 1\noutput = 2\n"
        live = await started(tmp_path, text, {})
        assert prices_of(live) == {"llama3.1:8b": Price(NANO, 2 * NANO, NANO, NANO)}
        await live.close()
        await live.store.close()

    asyncio.run(main())


def test_a_run_is_resumed_with_the_servers_that_it_began_with(tmp_path: Path) -> None:
    async def main() -> None:
        async with model_server(script) as server:
            live = await started(tmp_path, manifest(server.openai_url), {})
            await live.close()
            store = live.store
            again = await resume_run(store, tmp_path, live.run_id, environ={})
            assert await asyncio.wait_for(again.go(), 60)
            assert again.engine.run.status == "succeeded"
            assert again.engine.run.envelopes[ROOT].spent == 0
            await again.close()
            await store.close()

    asyncio.run(main())


def test_a_lead_may_not_name_a_server_that_the_manifest_does_not(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(UnknownModel):
            await started(tmp_path, manifest("http://127.0.0.1:1", "other:llama3.1:8b"), {})

    asyncio.run(main())
