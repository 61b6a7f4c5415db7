"""Kit: a run of real manifests, files, git and tools, in which scripts play the models."""

import asyncio
import inspect
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from leadhand.domain import events as e
from leadhand.domain.clock import Now
from leadhand.domain.ids import ROOT
from leadhand.domain.invariants import broken
from leadhand.domain.state import Run
from leadhand.engine.clock import Clock, SystemClock
from leadhand.engine.resumption import Change
from leadhand.errors import ModelError
from leadhand.folder import Folder
from leadhand.load import parse
from leadhand.model import Message, Prose, Request, ToolResult
from leadhand.models.scripted import Script
from leadhand.store import Store
from leadhand.stores.memory import MemoryStore
from leadhand.testing import Done, Reply, ScriptedModel, done
from leadhand.wiring import LiveRun, resume_run, start_run

DATA = Path(__file__).parents[1] / "data"
RULES = "[run]\nmax_workers = 4\nbudget_usd = 2.00\n"
LEAD = '[[lead]]\nid = "lead"\nmodel = "claude-haiku-4-5"\nprompt = "Go."\n'
REPORT = (
    "1. STATUS: success\n2. COMPLETED\n- none\n3. DEFERRED OR FAILED\n- none\n4. COST SUMMARY\n"
)

T = TypeVar("T")
# A lead's part: it yields its next reply, is sent the request that follows, returns its report.
Part = Generator[Reply, Request, str]


class MovedClock(SystemClock):
    """The machine's clock, which a script may move on. An event must follow to be noticed."""

    ahead_ms = 0

    def jump(self, secs: float) -> None:
        self.ahead_ms += round(secs * 1000)

    def now(self) -> Now:
        now = super().now()
        return Now(now.wall_ms + self.ahead_ms, now.run_ms + self.ahead_ms)


class Ended(NamedTuple):
    """A run that its owner has let go of."""

    run: Run
    folder: Folder
    events: Sequence[e.Event]
    finished: bool

    @property
    def records(self) -> dict[str, dict[str, Any]]:
        """The lines of summary.jsonl by task_id."""
        lines = self.folder.summary_lines.read_bytes().splitlines()
        return {each["task_id"]: each for each in map(msgspec.json.decode, lines)}

    @property
    def summary(self) -> dict[str, Any]:
        """What summary.json holds."""
        found: dict[str, Any] = msgspec.json.decode(self.folder.summary.read_bytes())
        return found

    @property
    def checked(self) -> e.ReportChecked:
        """The last comparison of the report with the log."""
        return self.all(e.ReportChecked)[-1]

    @property
    def statuses(self) -> dict[str, str]:
        """How each actor settled."""
        return {each.id: each.status for each in self.run.records.values()}

    def all(self, kind: type[T]) -> list[T]:
        """The events of one kind."""
        return [each for each in self.events if isinstance(each, kind)]

    def spawned(self) -> list[e.ActorSpawned]:
        """The workers as they were spawned."""
        return [each for each in self.all(e.ActorSpawned) if each.actor != ROOT]


def seed(name: str, places: Mapping[str, object]) -> str:
    """A manifest of the seeds to the letter, but for its places, which are made the test's."""
    text = (DATA / name).read_text()
    for old, new in places.items():
        assert old in text, old
        text = text.replace(old, str(new))
    return text


class Stage:
    """The model of one owner of a run. What a script asserts in vain ends the run and fails
    the test; a model that only raised would be a crash, which a run outlives."""

    def __init__(self, script: Script) -> None:
        self.script, self.failures = script, list[Exception]()
        self.live: LiveRun | None = None

    async def answer(self, request: Request) -> Reply | str:
        try:
            given = self.script(request)
            return await given if inspect.isawaitable(given) else given
        except ModelError:
            raise
        except Exception as failure:
            self.failures.append(failure)
            assert self.live is not None
            self.live.conductor().suspend()
            raise

    async def ended(self, live: LiveRun, store: Store) -> Ended:
        """The run once it is finished or suspended; its books must be in order."""
        self.live = live
        try:
            finished = await live.go()
            if self.failures:
                raise self.failures[0]
            assert broken(live.engine.run) == []
            events = [each.event for each in await live.engine.stamped()]
            return Ended(live.engine.run, live.folder, events, finished)
        finally:
            await live.close()
            await store.close()


def play(
    text: str,
    script: Script,
    base: Path,
    *,
    store: Store | None = None,
    clock: Clock | None = None,
    meet: Callable[[LiveRun], None] = lambda live: None,
) -> Ended:
    """Run a manifest that lies in `base`, its models played by a script, until it is over.

    meet: is given the run before it goes.
    """

    async def main() -> Ended:
        loaded = parse(text, "m.toml", base)
        runs, kept, stage = base / "runs", store or MemoryStore(), Stage(script)
        model = ScriptedModel(stage.answer)
        live = await start_run(
            kept, runs, loaded.manifest, loaded.text, models=lambda name: model, clock=clock
        )
        # A store in memory makes no folder.
        live.folder.path.mkdir(parents=True, exist_ok=True)
        meet(live)
        return await stage.ended(live, kept)

    return asyncio.run(main())


def go_on(before: Ended, script: Script, store: Store, *changes: Change) -> Ended:
    """Resume a run that was let go of, as another process would."""

    async def main() -> Ended:
        stage = Stage(script)
        model = ScriptedModel(stage.answer)
        runs = before.folder.path.parent
        live = await resume_run(
            store, runs, before.run.id, changes=changes, models=lambda name: model
        )
        return await stage.ended(live, store)

    return asyncio.run(main())


def cast(lead: Callable[[Request], Part], worker: Script = lambda request: "Done.") -> Script:
    """A script in which the lead plays a part and every worker answers by a script."""
    parts: list[Part] = []
    last: list[str] = []

    def script(request: Request) -> Any:
        if request.actor_id != ROOT:
            return worker(request)
        try:
            if parts:
                return parts[0].send(request)
            parts.append(lead(request))
            return next(parts[0])
        except StopIteration as stop:
            # A lead that is asked again when its part is over says the same again.
            last.append(last[0] if last else stop.value)
            return last[0]

    return script


def calls(*wanted: tuple[str, dict[str, Any]]) -> Reply:
    """A reply that calls tools, all in one turn."""
    return Reply(calls=wanted)


def spawn(prompt: str, **args: Any) -> tuple[str, dict[str, Any]]:
    """A call of spawn_worker."""
    return "spawn_worker", {"prompt": prompt, **args}


def wait(worker_id: str) -> tuple[str, dict[str, Any]]:
    """A call of wait_actor."""
    return "wait_actor", {"worker_id": worker_id}


def news(request: Request) -> Message:
    """The message that the model answers now."""
    return request.messages[-1]


def got(request: Request) -> list[Done]:
    """What the tools of the last turn gave, in the order in which they returned."""
    count = sum(isinstance(block, ToolResult) for block in news(request).blocks)
    return done(request)[-count:] if count else []


def told(request: Request) -> str:
    """What the runtime has just told the model."""
    return "\n".join(block.text for block in news(request).blocks if isinstance(block, Prose))


def error(one: Done) -> dict[str, str]:
    """The refusal that a tool gave: code, message, next."""
    assert one.is_error, one.text
    found: dict[str, str] = one.json["error"]
    return found


def report(
    status: str,
    completed: Sequence[str] = (),
    missed: Sequence[str] = (),
    costs: Sequence[str] = (),
) -> str:
    """A final report in the four sections, one bullet a text."""

    def bullets(items: Sequence[str]) -> list[str]:
        return [f"- {item}" for item in items] or ["- none"]

    return "\n".join(
        [
            f"1. STATUS: {status}",
            "2. COMPLETED",
            *bullets(completed),
            "3. DEFERRED OR FAILED",
            *bullets(missed),
            "4. COST SUMMARY",
            *bullets(costs),
        ]
    )
