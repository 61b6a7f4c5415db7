"""Kit: what the tests of stores share: events, logs, and real processes."""

import asyncio
import functools
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec

from leadhand.store import Held, Letter, Owned, Row, Store
from leadhand.stores.sqlite import SqliteStore

P = ParamSpec("P")
OpenStore = Callable[[], Store]
OpenSqlite = Callable[[], SqliteStore]
SOURCE = Path(__file__).resolve().parents[2] / "src"


def in_loop(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Let an async test run in a loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def main() -> None:
            await test(*args, **kwargs)

        asyncio.run(main())

    return run


def event(seq: int, data: bytes = b"{}", actor: str = "root", kind: str = "Noted") -> Row:
    return Row(seq, 1_700_000_000_000 + seq, seq * 10, actor, kind, data)


def events(first: int, last: int, actor: str = "root") -> list[Row]:
    return [event(seq, f"event {seq}".encode(), actor) for seq in range(first, last + 1)]


def letter(letter_id: str, data: bytes = b"cancel") -> Letter:
    return Letter(letter_id, data, "tester", 1_700_000_000_000)


async def owned(store: Store, run: str = "run") -> int:
    """Own a run that must be free, and give the epoch."""
    answer = await store.own(run, "a test")
    assert isinstance(answer, Owned)
    return answer.epoch


async def begin(store: Store, rows: Sequence[Row] = (), run: str = "run") -> int:
    """Make a run, own it, append the rows, and give the epoch."""
    await store.create(run, "# a manifest\n")
    epoch = await owned(store, run)
    if rows:
        await store.append(run, epoch, 0, rows, {}, b"")
    return epoch


async def holder(store: Store, run: str = "run") -> str:
    """Who holds a run that must be held."""
    answer = await store.own(run, "somebody else")
    assert isinstance(answer, Held)
    return answer.by


async def closed_run(run_dir: Path, count: int = 10) -> Path:
    """Make a run with some events, close it, and give its folder."""
    store = SqliteStore(run_dir)
    await begin(store, events(1, count))
    await store.put_blob("run", b"a blob")
    await store.close()
    return run_dir / "run"


PROLOGUE = """
import asyncio, os, signal, sys
from pathlib import Path
from leadhand.errors import NotOwner, StoreError
from leadhand.store import Held, Letter, Owned, Row
from leadhand.stores.sqlite import SqliteStore

def say(*words):
    print(*words, flush=True)

def hear():
    return sys.stdin.readline().strip()

def event(seq, data=b"{}"):
    return Row(seq, seq, seq, "root", "Noted", data)

store = SqliteStore(Path(sys.argv[1]))
"""


class Child:
    """A real Python process with a store on a run_dir. It speaks lines."""

    def __init__(self, run_dir: Path, story: str, *words: str, wrapper: Sequence[str] = ()) -> None:
        source = PROLOGUE + textwrap.dedent(story) + "\nasyncio.run(main())\n"
        command = [*wrapper, sys.executable, "-c", source, str(run_dir), *words]
        environment = os.environ | {"PYTHONPATH": str(SOURCE)}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def hear(self) -> str:
        """The next line it says."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def hear_all(self) -> list[str]:
        """Every line until it ends."""
        assert self.process.stdout is not None
        return [line.strip() for line in self.process.stdout]

    def say(self, words: str = "") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        if self.process.poll() is None:
            self.kill()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


StartChild = Callable[..., Child]


@contextmanager
def children() -> Iterator[StartChild]:
    """Start children; those still alive at the end are killed."""
    started: list[Child] = []

    def start(run_dir: Path, story: str, *words: str, wrapper: Sequence[str] = ()) -> Child:
        started.append(Child(run_dir, story, *words, wrapper=wrapper))
        return started[-1]

    try:
        yield start
    finally:
        for child in started:
            child.end()
