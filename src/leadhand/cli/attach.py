"""Attach: follows one actor: its conversation so far, and then every word as it comes."""

import asyncio
import codecs
import time
from collections import deque
from pathlib import Path

import click
import msgspec

from leadhand.api import RunHandle
from leadhand.api.names import actor_named, resume_command
from leadhand.cli.ending import FAILED, SUCCEEDED, complain
from leadhand.cli.options import run_argument, run_dir_option, with_run
from leadhand.cli.paper import faint, flush, heading, local, print_bytes, say, state
from leadhand.domain.evolve import evolve
from leadhand.domain.ids import ActorId
from leadhand.domain.money import show
from leadhand.domain.state import Record, Run
from leadhand.engine import log
from leadhand.engine.log import Stamped
from leadhand.folder import Folder
from leadhand.views import transcript
from leadhand.views.dialogue import FOR_ALL, Dialogue, Part
from leadhand.views.words import clock, counted, line

# As often as the file of a turn's words is written.
LOOK_SECS = 0.25
LINES = 40
INDENT = "  "

_encoder = msgspec.json.Encoder()


@click.command("attach")
@run_argument
@click.argument("actor")
@click.option(
    "--raw",
    "--json",
    "raw",
    is_flag=True,
    help="Print the transcript's lines of JSON, for programs.",
)
@click.option(
    "--lines",
    "-n",
    metavar="N",
    type=click.IntRange(0),
    default=LINES,
    show_default=True,
    help="Begin with the last N lines.",
)
@run_dir_option
def command(run: str, actor: str, raw: bool, lines: int, run_dir: Path) -> int:
    """Follow one actor: its conversation so far, and every word as it comes.

    ACTOR is a path (root/W3), its end (W3) or a label. Ends when the actor settles, with exit code
    0 if it succeeded and 1 if not, or when nobody works on the run any more. Ctrl-C leaves the run
    as it is.
    """

    async def followed(one: RunHandle) -> int:
        return await Follower(one, run_dir, raw=raw, lines=lines).follow(actor)

    return asyncio.run(with_run(run_dir, run, followed))


class Page:
    """A conversation for people, of which only the last lines are printed when it begins."""

    def __init__(self, lines: int) -> None:
        self._dialogue = Dialogue()
        self._last: deque[str] | None = deque(maxlen=lines)
        self._open = False

    def add(self, stamped: Stamped) -> None:
        """Take in an event."""
        for part in self._dialogue.add(stamped.at, stamped.event):
            self._tell(part)

    def hear(self, text: str) -> None:
        """Take in the words of the present turn, as far as they are there."""
        part = self._dialogue.hear(text, time.time_ns() // 1_000_000)
        if part is not None:
            self._tell(part)

    def begin(self) -> None:
        """Print what was kept, and from now on all at once."""
        if self._last is None:
            return
        kept, self._last = [*self._last], None
        self._open = self._open and bool(kept)
        for text in kept[:-1]:
            say(text)
        for text in kept[-1:]:
            say(text, end="" if self._open else "\n")

    def close(self) -> None:
        """End the line that is open."""
        if self._open and self._last is None:
            say()
        self._open = False

    def _tell(self, part: Part) -> None:
        texts = part.body.split("\n") if part.body else []
        if not part.goes_on:
            title = heading(part.title) if part.body else part.title
            self._line(f"{faint(local(part.wall_ms, '%H:%M:%S'))}  {title}")
        elif self._open and texts:
            self._go_on(texts.pop(0))
        for text in texts:
            self._line(f"{INDENT}{text}" if text else "")
        if not part.open:
            self.close()

    def _line(self, text: str) -> None:
        self.close()
        self._open = True
        if self._last is None:
            say(text, end="")
        else:
            self._last.append(text)

    def _go_on(self, text: str) -> None:
        if self._last is None:
            say(text, end="")
        elif self._last:
            self._last[-1] += text


class Raw:
    """A conversation for programs, of which only the last lines are printed when it begins."""

    def __init__(self, lines: int) -> None:
        self._last: deque[bytes] | None = deque(maxlen=lines)

    def add(self, stamped: Stamped) -> None:
        """Take in an event."""
        told = transcript.line(stamped.at, stamped.event) if stamped.event.actor else None
        if told is None:
            return
        data = _encoder.encode(told) + b"\n"
        if self._last is None:
            print_bytes(data)
        else:
            self._last.append(data)

    def hear(self, text: str) -> None:
        """A turn that is not over is no line yet."""

    def begin(self) -> None:
        """Print what was kept, and from now on all at once."""
        for data in self._last or ():
            print_bytes(data)
        self._last = None

    def close(self) -> None:
        """Every line has its end."""


class LiveFile:
    """The words of the turn that is not over, as their file has them now."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = (0, 0, 0)
        self._text = ""

    def text(self) -> str:
        """All that it holds but half a character at its end; empty where it is not."""
        try:
            stat = self._path.stat()
            seen = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if seen != self._seen:
                decoder = codecs.getincrementaldecoder("utf-8")("replace")
                self._text = decoder.decode(self._path.read_bytes())
                self._seen = seen
        except FileNotFoundError:
            return ""
        return self._text


class Follower:
    """Follows one actor of a run that another process works on."""

    def __init__(self, one: RunHandle, run_dir: Path, *, raw: bool, lines: int) -> None:
        self._one, self._run_dir, self._raw = one, run_dir, raw
        self._page = Raw(lines) if raw else Page(lines)
        self._run = Run()

    async def follow(self, name: str) -> int:
        """Print until the actor settles or nobody works on the run; the exit code."""
        store, run_id = self._one.store, self._one.id
        run, wide = self._run, deque[Stamped]()
        async for stamped in log.events(store, run_id):
            evolve(run, stamped.event, stamped.at)
            if isinstance(stamped.event, FOR_ALL):
                wide.append(stamped)
        actor = actor_named(run, name)
        self._say(heading(titled(run, actor)))
        await self._so_far(actor, wide)
        live = LiveFile(Folder(self._one.folder).words(actor))
        try:
            while True:
                # In this order: what is known of the words is never older than the words.
                text = live.text()
                held = await store.held(run_id)
                if not await self._more(actor):
                    self._page.hear(text)
                self._page.begin()
                flush()
                if actor not in run.actors or not held:
                    break
                await store.watch(run_id, run.seq, LOOK_SECS)
        finally:
            self._page.close()
            flush()
        return self._ended(actor)

    async def _so_far(self, actor: ActorId, wide: deque[Stamped]) -> None:
        """Take in what has happened to this actor, and in its time to the whole run."""
        begun = False
        async for stamped in log.events(self._one.store, self._run.id, 0, actor):
            if stamped.at.seq > self._run.seq:
                break
            while wide and wide[0].at.seq < stamped.at.seq:
                other = wide.popleft()
                if begun:
                    self._page.add(other)
            self._page.add(stamped)
            begun = True
        if actor in self._run.actors:
            for stamped in wide:
                self._page.add(stamped)

    async def _more(self, actor: ActorId) -> bool:
        """Take in what has happened since; whether anything has to this actor."""
        run, moved = self._run, False
        async for stamped in log.events(self._one.store, run.id, run.seq):
            evolve(run, stamped.event, stamped.at)
            mine = stamped.event.actor == actor
            moved |= mine
            if mine or isinstance(stamped.event, FOR_ALL):
                self._page.add(stamped)
        return moved

    def _ended(self, actor: ActorId) -> int:
        """Say how it ended; the exit code for it."""
        record = self._run.records.get(actor)
        if actor not in self._run.actors and record is not None:
            self._say(outcome(record))
            return SUCCEEDED if record.status == "Success" else FAILED
        then = resume_command(self._run.id, self._run_dir)
        gone = f"Nobody works on the run now; {actor} has not settled. To go on: {then}"
        if self._raw:
            complain(gone, prefix="")
        else:
            say(gone)
        return SUCCEEDED

    def _say(self, text: str) -> None:
        if not self._raw:
            say(text)


def titled(run: Run, actor: ActorId) -> str:
    """Who is followed."""
    one = run.actors.get(actor) or run.records[actor]
    label = f" ({line(one.label, 60)})" if one.label else ""
    return f"{actor}{label}, {one.role} of run {run.id}"


def outcome(record: Record) -> str:
    """How an actor has ended, and what it has cost."""
    turns = counted(record.turns, "turn")
    after = f"after {turns} in {clock(record.duration_ms)}, {show(record.spent)}"
    checked = f", {record.outcome}," if record.outcome != "unverified" else ""
    return f"{heading(record.id)}  {state(record.status)}{checked} {after}"
