"""Projections: the files beside the log, written from it and never read back."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from leadhand.domain import events as e
from leadhand.domain.ids import ActorId
from leadhand.domain.state import Entry, Run
from leadhand.engine.engine import Engine
from leadhand.engine.log import Stamped
from leadhand.errors import StoreError
from leadhand.folder import Folder
from leadhand.tool import Blobs
from leadhand.views import record, transcript

_encoder = msgspec.json.Encoder()


class Projections:
    """Keeps a run's transcripts, summary.jsonl and summary.json in step with its log, and writes
    shared-store.json at its end where the house rules want it."""

    def __init__(self, engine: Engine, folder: Folder, blobs: Blobs | None = None) -> None:
        """blobs: where long values of the store are."""
        self._engine, self._folder, self._blobs = engine, folder, blobs
        self._waiting: list[Stamped] = []
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._checked: e.ReportChecked | None = None
        self._tasks: dict[str, record.TaskRecord] = {}
        self.complaint = ""

    async def start(self) -> None:
        """Write anew what the log already holds, and follow it from there."""
        await asyncio.to_thread(self._clear)
        self._waiting = await self._engine.stamped()
        self._engine.listen(self._heard)
        self._work.set()
        self._task = asyncio.create_task(self._follow(), name="projections")

    async def close(self) -> None:
        """Write what is left."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._put(self._take())

    def _heard(self, events: Sequence[Stamped]) -> None:
        if not self.complaint:
            self._waiting += events
            self._work.set()

    async def _put(self, events: Sequence[Stamped]) -> None:
        """Write, off the loop. What cannot be written is no loss: the log has it, and `resume`
        writes all of it anew."""
        try:
            await asyncio.to_thread(self._write, events)
            if self._engine.run.house.dump_shared_store and ended(events):
                await self._dump()
        except (OSError, StoreError) as error:
            self.complaint = f"the files beside the log are incomplete: {error}"

    def _take(self) -> list[Stamped]:
        taken, self._waiting = self._waiting, []
        for stamped in taken:
            event = stamped.event
            if isinstance(event, e.ReportChecked):
                self._checked = event
            elif isinstance(event, e.ActorSettled | e.WorkspaceKept | e.WorkspaceRemoved):
                settled = self._engine.run.records.get(event.actor)
                if settled is not None:
                    task = record.task_record(self._engine.run, settled, self._folder)
                    self._tasks[task.task_id] = task
        return taken

    async def _follow(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            taken = self._take()
            writing = asyncio.ensure_future(self._put(taken))
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                await writing
                raise

    def _clear(self) -> None:
        for folder in (self._folder.transcripts, self._folder.live):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path in folder.iterdir():
                path.unlink()
        self._folder.summary_lines.unlink(missing_ok=True)

    def _write(self, events: Sequence[Stamped]) -> None:
        lines: dict[Path, list[bytes]] = {}
        for stamped in events:
            event = stamped.event
            told = transcript.line(stamped.at, event) if event.actor else None
            if told is not None:
                path = self._folder.transcript(event.actor)
                lines.setdefault(path, []).append(_encoder.encode(told))
            if isinstance(event, e.ActorSettled) and event.actor in self._tasks:
                settled = _encoder.encode(self._tasks[event.actor])
                lines.setdefault(self._folder.summary_lines, []).append(settled)
                self._folder.words(ActorId(event.actor)).unlink(missing_ok=True)
        for path, texts in lines.items():
            self._append(path, b"".join(text + b"\n" for text in texts))
        if ended(events):
            self._summarize()

    def _append(self, path: Path, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o600), "ab") as file:
            file.write(data)

    def _summarize(self) -> None:
        told = record.summary(self._engine.run, self._checked, list(self._tasks.values()))
        data = msgspec.json.format(_encoder.encode(told), indent=2)
        self._replace(self._folder.summary, data + b"\n")

    def _replace(self, path: Path, data: bytes) -> None:
        fresh = path.with_suffix(".part")
        fresh.touch(mode=0o600)
        fresh.write_bytes(data)
        fresh.replace(path)

    async def _dump(self) -> None:
        run = self._engine.run
        layers = {
            layer: {path: await self._shared(entry) for path, entry in sorted(held.entries.items())}
            for layer, held in run.layers.items()
        }
        data = _encoder.encode({"layers": layers, "leases": leases(run)})
        await asyncio.to_thread(self._replace, self._folder.shared_store, data + b"\n")

    async def _shared(self, entry: Entry) -> dict[str, Any]:
        event = await self._engine.event(entry.seq)
        assert isinstance(event, e.EntryPut)
        value = event.value.encode()
        if event.blob and self._blobs is not None:
            value = await self._blobs.get(event.blob)
        return {"version": entry.version, "writer": entry.writer, "value": msgspec.Raw(value)}


def ended(events: Sequence[Stamped]) -> bool:
    """Whether the run ended with these."""
    return any(isinstance(stamped.event, e.RunFinished) for stamped in events)


def leases(run: Run) -> list[dict[str, Any]]:
    """Every name that was held, by its layer (empty: of the whole run), with its last fence."""
    found = []
    for key, lease in sorted(run.leases.items()):
        layer, _, name = key.partition("|")
        found.append({"layer": layer, "name": name, "fence": lease.fence})
    return found
