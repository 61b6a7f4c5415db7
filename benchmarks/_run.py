"""Run: a run on a real store in a folder of its own, with a model that is a function."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from leadhand import wiring
from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.manifest import HouseRules, Lead, Manifest, Settings
from leadhand.domain.money import NANO, Price, Usage
from leadhand.engine.conductor import Conductor
from leadhand.engine.log import Stamped
from leadhand.gateway.gateway import Gateway
from leadhand.gateway.pace import Governor
from leadhand.harness import Means, Words
from leadhand.harnesses.api import ApiHarness
from leadhand.models.scripted import Reply, Script, ScriptedModel
from leadhand.run_blobs import RunBlobs
from leadhand.testing.step import Step
from leadhand.tool import Caller, Tool
from leadhand.tools.call import Toolbox
from leadhand.wiring import LiveRun, Models

MODEL = "bench-model"
PLAIN = Settings()
USAGE = Usage(input=900, output=60)
REPORT = "STATUS: success\nCOMPLETED\n- none\nDEFERRED OR FAILED\n- none\nCOST SUMMARY\n- none"


def manifest(folder: Path, model: str = MODEL) -> Manifest:
    """Room for many workers of a model that costs money, so that the ledger has its work."""
    # A lead that reads of a thousand workers in one turn is not to be compacted.
    settings = Settings(model=model, directory=str(folder), compact_above_tokens=1_000_000)
    return Manifest(
        Lead("bench", "Have it done.", settings),
        HouseRules(
            max_workers=1_000_000,
            max_total_spawns=1_000_000,
            budget_nanousd=1_000_000 * NANO,
            lead_timeout_secs=86_400,
        ),
        prices={model: Price(NANO, 5 * NANO, NANO // 10, NANO + NANO // 4)},
    )


@asynccontextmanager
async def a_run(script: Script) -> AsyncIterator[LiveRun]:
    """A run of scripted models that this process owns; its folder goes away with it."""
    model = ScriptedModel(script)
    async with a_run_with(lambda name: model, MODEL, os.environ) as live:
        yield live


@asynccontextmanager
async def a_run_with(
    models: Models, name: str, environ: Mapping[str, str]
) -> AsyncIterator[LiveRun]:
    """A run that this process owns, on SqliteStore; its folder goes away with it.

    name: the model of its actors.
    """
    with tempfile.TemporaryDirectory(prefix="leadhand-bench-") as folder:
        store = wiring.open_store(Path(folder) / "runs")
        (Path(folder) / "note.txt").write_text("a small file\n")
        live = await wiring.start_run(
            store,
            Path(folder) / "runs",
            manifest(Path(folder), name),
            "",
            models=models,
            environ=environ,
        )
        try:
            yield live
        finally:
            await live.close()
            await store.close()


class Note(Struct, frozen=True):
    """The arguments of the cheap tool."""

    text: str


async def _note(caller: Caller, args: Note) -> str:
    return f"noted: {args.text}"


NOTE = Tool(
    name="Note",
    description="Note a text.",
    args=Note,
    roles=frozenset({"worker"}),
    effect="reads",
    category="orchestration",
    handler=_note,
)


def bare_conductor(live: LiveRun, models: Models) -> Conductor:
    """The run's loop with the cheap tool alone and nothing written beside the log."""
    harness = ApiHarness(
        Means(
            owner=live.engine,
            gateway=Gateway(live.engine, models, Governor()),
            toolbox=Toolbox([NOTE]),
            blobs=RunBlobs(live.store, live.run_id, live.secrets),
            processes=live.processes,
            environment={},
            transcripts=live.folder.transcripts,
            words=Words(),
        )
    )
    return Conductor(live.engine, harness.run)


async def spawn(live: LiveRun, count: int, settings: Settings = PLAIN) -> None:
    """Spawn so many workers at once."""
    commands = (
        c.SpawnActor(ROOT, CallId(f"spawn {number}"), f"Do part {number}.", settings=settings)
        for number in range(count)
    )
    await asyncio.gather(*map(live.engine.submit, commands))


class Settled:
    """Counts workers as they settle."""

    def __init__(self, live: LiveRun, count: int) -> None:
        self._left = count
        self.all = asyncio.Event()
        live.engine.listen(self._heard)

    def _heard(self, events: Sequence[Stamped]) -> None:
        self._left -= sum(self._is_worker(stamped.event) for stamped in events)
        if self._left <= 0:
            self.all.set()

    @staticmethod
    def _is_worker(event: e.Event) -> bool:
        return isinstance(event, e.ActorSettled) and event.actor != ROOT


def is_lead(actor_id: str) -> bool:
    """Whether a request comes from the lead."""
    return ActorId(actor_id) == ROOT


def said(text: str, *calls: tuple[str, dict[str, Any]]) -> Reply:
    """A reply with a usage, so that nobody counts the bytes of the request."""
    return Reply(text=text, calls=calls, usage=USAGE)


def lead_turns(count: int) -> list[Step]:
    """Spawn all, wait for each, report."""
    prompts = [{"prompt": f"Do part {number}."} for number in range(count)]
    ids = [f"{ROOT}/W{number + 1}" for number in range(count)]
    return [
        Step(text="Starting.", calls=tuple(("spawn_worker", each) for each in prompts)),
        Step(text="Waiting.", calls=tuple(("wait_actor", {"worker_id": each}) for each in ids)),
        Step(text=REPORT),
    ]
