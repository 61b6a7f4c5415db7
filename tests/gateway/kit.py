"""Kit: a run of many workers over real HTTP, whose provider is a server in a thread of its own."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

from leadhand.domain.invariants import broken
from leadhand.domain.manifest import HouseRules, Lead, Manifest, Settings
from leadhand.domain.money import NANO, Price
from leadhand.freeze import Models
from leadhand.model import Request
from leadhand.model_wiring import make_models
from leadhand.models.scripted import Reply, Script
from leadhand.store import Store
from leadhand.stores.memory import MemoryStore
from leadhand.stores.sqlite import SqliteStore
from leadhand.testing.model_server import ModelServer, model_server
from leadhand.testing.script import done
from leadhand.testing.step import Step
from leadhand.wiring import LiveRun, resume_run, start_run
from tests.seeds.kit import Ended

MODEL = "anthropic:claude-haiku-4-5"
# A nano-dollar a token, so that money reads as tokens.
UNIT = Price(1_000_000, 1_000_000, 1_000_000, 1_000_000)
PATIENCE_SECS = 120.0
REPORT = "STATUS: {status}\nCOMPLETED\n- none\nDEFERRED OR FAILED\n- none\nCOST SUMMARY\n- none"


@contextmanager
def served(script: Script) -> Iterator[ModelServer]:
    """A model server that plays this script in a thread of its own, where all of it runs."""
    ready: Queue[tuple[ModelServer, Callable[[], Any]]] = Queue()

    async def serve() -> None:
        over, loop = asyncio.Event(), asyncio.get_running_loop()
        async with model_server(script) as server:
            ready.put((server, lambda: loop.call_soon_threadsafe(over.set)))
            await over.wait()

    thread = Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    server, stop = ready.get(timeout=30)
    try:
        yield server
    finally:
        stop()
        thread.join(30)


def environ(server: ModelServer) -> dict[str, str]:
    """What leads our clients to a server."""
    return {
        "ANTHROPIC_API_KEY": "sk-none",
        "ANTHROPIC_BASE_URL": server.url,
        "OPENAI_API_KEY": "sk-none",
        "OPENAI_BASE_URL": server.openai_url,
    }


def manifest(
    base: Path,
    *,
    model: str = MODEL,
    lead: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
    prices: Mapping[str, Price] | None = None,
    **house: Any,
) -> Manifest:
    """A manifest of which only what a test is about has to be said."""
    settings = {"model": model, "directory": str(base), **(lead or {})}
    return Manifest(
        Lead("lead", "Have it done.", Settings(**settings)),
        HouseRules(**{"max_workers": 200, "budget_nanousd": NANO, **house}),
        Settings(**(defaults or {})),
        prices={model: UNIT, **(prices or {})},
    )


def spawning(request: Request, spawns: list[dict[str, Any]], status: str = "success") -> Reply:
    """The part of a lead that starts all its workers in one turn, waits for all and reports."""
    spawned = done(request, "spawn_worker")
    started = [each.json["worker_id"] for each in spawned if not each.is_error]
    if not spawned:
        return Step(calls=tuple(("spawn_worker", each) for each in spawns))
    told = [each.json for each in done(request, "wait_actor")]
    settled = {each.get("worker_id") for each in told if each.get("settled")}
    if left := [each for each in started if each not in settled]:
        return Step(calls=tuple(("wait_actor", {"worker_id": each}) for each in left))
    return Step(text=REPORT.format(status=status))


def owned(
    base: Path,
    asked: Manifest,
    server: ModelServer,
    *,
    store: Store | None = None,
    models: Models | None = None,
    meet: Callable[[LiveRun], None] = lambda live: None,
) -> Ended:
    """What comes of a run whose provider is this server. models: where they are not the usual ones.
    meet: is given the run before it goes."""

    async def main() -> Ended:
        kept, runs = store or MemoryStore(), base / "runs"
        live = await start_run(kept, runs, asked, "", models=models or make_models(environ(server)))
        live.folder.path.mkdir(parents=True, exist_ok=True)
        meet(live)
        return await gone(live, kept)

    return asyncio.run(main())


def resumed(base: Path, run_id: str, server: ModelServer) -> Ended:
    """What comes of a run of a SqliteStore that goes on in this process."""

    async def main() -> Ended:
        store, runs = SqliteStore(base / "runs"), base / "runs"
        live = await resume_run(store, runs, run_id, models=make_models(environ(server)))
        return await gone(live, store)

    return asyncio.run(main())


async def gone(live: LiveRun, store: Store) -> Ended:
    """The run once it is finished or suspended; its books must be in order."""
    try:
        finished = await asyncio.wait_for(live.go(), PATIENCE_SECS)
        assert broken(live.engine.run) == []
        events = [each.event for each in await live.engine.stamped()]
        return Ended(live.engine.run, live.folder, events, finished)
    finally:
        await live.close()
        await store.close()
