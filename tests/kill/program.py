"""Program: owns a run in a process of its own and kills itself, with SIGKILL, at a point.

program.py start|resume RUN_DIR MANIFEST|RUN POINT, where POINT is a Point as JSON.
"""

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from leadhand import freeze, model_wiring, wiring
from leadhand.domain import commands as c
from leadhand.domain.money import Price
from leadhand.errors import LeadhandError, StoreError
from leadhand.keeper import KEEPER_MARK
from leadhand.load import load
from leadhand.model import Answer, Model, Request, text_of
from leadhand.store import Row
from leadhand.stores.sqlite import SqliteStore

Moment = Literal[
    "never", "before", "after", "first", "mid", "last", "file", "full", "events"
]  # fmt: skip


class Point(Struct, frozen=True, omit_defaults=True):
    """Where the process dies.

    moment: `before` or `after` the commit that holds the number-th event (of `kind`, where it is
    given); of the number-th request: before its `first` byte, in `mid` answer, after its `last`,
    or, over HTTP, as soon as so many `events` of its stream (stream_events) have come; as soon as
    a `file` (kind, in which RUN is the run's id) is there; `full`: it does not die, the disk is
    full from the commit of event `number` on. drain_at: the commit of which event is followed by a
    drain. keeper: with `file`,
    the keeper of its children is killed first.
    """

    moment: Moment = "never"
    number: int = 1
    kind: str = ""
    drain_at: int = 0
    keeper: bool = False
    stream_events: int = 0


def around(kinds: Mapping[str, Iterable[int]]) -> list[Point]:
    """Right before and right after those events of each kind that are given by their numbers."""
    return [
        Point(moment, number, kind)
        for kind, numbers in kinds.items()
        for number in numbers
        for moment in ("before", "after")
    ]


def die() -> None:
    """End this process, now."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


class KillingStore(SqliteStore):
    """A store that dies around a commit, or whose disk is full."""

    def __init__(self, run_dir: Path, point: Point) -> None:
        super().__init__(run_dir)
        self._point, self._seen = point, 0
        self.drain: Callable[[], None] | None = None

    async def append(
        self,
        run: str,
        epoch: int,
        after_seq: int,
        rows: Sequence[Row],
        verdicts: Mapping[str, bytes],
        head: bytes,
    ) -> None:
        """See Store.append."""
        point, before = self._point, self._seen
        if point.kind and point.moment != "file":
            self._seen += sum(row.kind == point.kind for row in rows)
        elif rows:
            self._seen = rows[-1].seq
        hit = before < point.number <= self._seen
        if hit and point.moment == "before":
            die()
        if point.moment == "full" and point.number <= self._seen:
            raise StoreError("No space left on device.")
        await super().append(run, epoch, after_seq, rows, verdicts, head)
        if hit and point.moment == "after":
            die()
        if rows and self.drain and rows[0].seq <= point.drain_at <= rows[-1].seq:
            self.drain()


class KillingModel:
    """A model that dies with its process around an answer."""

    def __init__(self, model: Model, point: Point) -> None:
        self._model, self._point, self._asked = model, point, 0

    def price(self, name: str) -> Price | None:
        """See Model.price."""
        return self._model.price(name)

    def lane(self, name: str) -> str:
        """See Model.lane."""
        return self._model.lane(name)

    async def count(self, request: Request) -> int | None:
        """See Model.count."""
        return await self._model.count(request)

    async def answer(self, request: Request, on_text: Callable[[str], None]) -> Answer:
        """See Model.answer."""
        self._asked += 1
        number, point = self._asked, self._point
        if number == point.number and point.moment == "first":
            await self._model.answer(request, lambda text: None)
            die()
        answer = await self._model.answer(request, lambda text: None)
        words = text_of(answer.blocks)
        on_text(words[: len(words) // 2])
        if number == point.number and point.moment == "mid":
            die()
        on_text(words[len(words) // 2 :])
        if number == point.number and point.moment == "last":
            die()
        return answer


def killing(models: freeze.Models, point: Point) -> freeze.Models:
    """The models, made deadly."""
    made: dict[str, Model] = {}

    def model(name: str) -> Model:
        return made.setdefault(name, KillingModel(models(name), point))

    return model


def watch(path: Path, run_id: str, *, keeper: bool) -> None:
    """Die as soon as something is in a file; before that, kill the keeper where that is wanted."""

    def look() -> None:
        found: list[int] = []
        while not (path.exists() and path.stat().st_size):
            # Sought in time: a look through all processes takes longer than a command.
            found = found or (keepers(run_id) if keeper else [])
            time.sleep(0.001)
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        die()

    threading.Thread(target=look, daemon=True).start()


def keepers(run_id: str) -> list[int]:
    """The keepers of a run."""
    mark, found = f"{KEEPER_MARK}={run_id}".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


async def main(verb: str, run_dir: Path, what: str, point: Point, models: freeze.Models) -> None:
    """Own the run and work until it is over, or until death."""
    store = KillingStore(run_dir, point)
    if verb == "start":
        path = Path(what)
        loaded = load(path)
        asked = freeze.with_absolute_scripts(loaded.manifest, path.absolute().parent)
        live = await wiring.start_run(store, run_dir, asked, loaded.text, models=models)
    else:
        live = await wiring.resume_run(store, run_dir, what, models=models)
    if point.moment == "file":
        watch(
            Path(point.kind.replace("/RUN/", f"/{live.run_id}/")), live.run_id, keeper=point.keeper
        )
    draining: set[asyncio.Task[object]] = set()
    store.drain = lambda: draining.add(asyncio.create_task(drain(live)))
    await live.go()
    await live.close()
    await store.close()


async def drain(live: wiring.LiveRun) -> None:
    """Drain the run, as the first Ctrl-C does."""
    await live.engine.submit(c.DrainRun())


def carry_out(words: list[str], deadly: Callable[[Point], freeze.Models]) -> None:
    """Do what a command line says. deadly: gives the models that die at a point."""
    verb, run_dir, what, given = words
    point = msgspec.json.decode(given, type=Point)
    try:
        asyncio.run(main(verb, Path(run_dir), what, point, deadly(point)))
    except LeadhandError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    carry_out(sys.argv[1:], lambda point: killing(model_wiring.make_models(), point))
