"""Stage: a real repository, a manifest and a folder of runs, on which owners live and die."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from leadhand.domain import events as e
from leadhand.domain.state import Run
from leadhand.engine import log
from leadhand.stores.sqlite import SqliteStore
from tests.kill.program import Point
from tests.kill.roads import COUNTED, IN_PROCESS, PATHS, PATIENCE_SECS, Road

NEVER = Point()
# Who is to die while a command runs must find it running, also on a busy machine.
HOLD_SECS = "20"
MANIFEST = """
[run]
budget_usd = 50.00
lead_timeout_secs = 300
grace_secs = 2

[defaults]
model = "{model}"
use_worktree = false

[[lead]]
id = "killed"
directory = "{repository}"
prompt = "Have three files written."

[prices."{model}"]
input = 1.00
output = 5.00
"""


class Left(NamedTuple):
    """What a run has left, without what differs from run to run."""

    status: str
    statuses: dict[str, str]
    finals: dict[str, str]
    workers: set[tuple[str, str, str]]
    files: dict[str, str]
    report: tuple[str, ...]


class Asking(NamedTuple):
    """A request that reached the model."""

    actor: str
    turn: int
    call: str


class Stage:
    """One repository with one run. in_flight: the (actor, turn) of calls that a kill cut off."""

    def __init__(self, folder: Path, road: Road = IN_PROCESS) -> None:
        self.road = road
        self.in_flight: set[tuple[str, int]] = set()
        self.told = ""
        self.repository, self.run_dir = folder / "repository", folder / "runs"
        self.manifest, self._counted = folder / "manifest.toml", folder / COUNTED
        self._hold = folder / "hold"
        self.repository.mkdir(parents=True)
        self.manifest.write_text(MANIFEST.format(model=road.model, repository=self.repository))
        (self.repository / "README.md").write_text("A repository.\n")
        for words in ("init -q", "add .", "commit -q -m First"):
            self._git(*words.split())

    def start(self, point: Point = NEVER) -> int:
        """Begin the run in a process that dies at a point; its exit code."""
        return self._program("start", str(self.manifest), point)

    def resume(self, point: Point = NEVER) -> int:
        """Go on with the run in a process that dies at a point; its exit code."""
        return self._program("resume", self.run_id, point)

    def cli(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The command line, as a user has it."""
        code = "from leadhand.cli import main; main()"
        command = [sys.executable, "-c", code, *words, "--run-dir", str(self.run_dir)]
        return self._run(command)

    @property
    def run_id(self) -> str:
        """The id of the one run."""
        [folder] = [each for each in self.run_dir.iterdir() if not each.name.startswith(".")]
        return folder.name

    def state(self) -> Run:
        """What is true of the run by its log."""
        return asyncio.run(self._state())

    def events(self) -> list[e.Event]:
        """The run's log."""
        return asyncio.run(self._events())

    def asked(self) -> list[Asking]:
        """The requests that reached the model."""
        if not self._counted.exists():
            return []
        lines = [line.split() for line in self._counted.read_text().splitlines()]
        return [Asking(actor, int(turn), call) for actor, turn, call in lines]

    def left(self) -> Left:
        """What the run has left."""
        run, events = self.state(), self.events()
        spawned = [each for each in events if isinstance(each, e.ActorSpawned)]
        ended = [each for each in events if isinstance(each, e.ActorSettled)]
        return Left(
            str(run.status),
            {each.id: each.status for each in run.records.values()},
            {each.actor: each.final for each in ended},
            {(each.actor, each.label, each.prompt) for each in spawned},
            self.files(),
            reported(events),
        )

    def files(self) -> dict[str, str]:
        """The files of the repository."""
        paths = [path for path in self.repository.iterdir() if path.is_file()]
        return {path.name: path.read_text() for path in paths}

    def lines(self) -> Counter[str]:
        """How often each worker's line was appended."""
        return Counter(
            line
            for name, text in self.files().items()
            if name.endswith(".log")
            for line in text.split()
        )

    def alive(self) -> list[str]:
        """The processes that carry the run's mark, when they had time to go."""
        until = time.monotonic() + PATIENCE_SECS / 2
        while (found := marked(self.run_id)) and time.monotonic() < until:
            time.sleep(0.02)
        return found

    def dispatched(self, pause_secs: float) -> "subprocess.Popen[bytes]":
        """The command line at work on the manifest, its models slow; the caller ends it."""
        words = ["-m", "leadhand", "dispatch", str(self.manifest), "--run-dir", str(self.run_dir)]
        return subprocess.Popen(
            [sys.executable, *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self._environment() | {"SCRIPT_PAUSE": str(pause_secs)},
        )

    def _git(self, *words: str) -> None:
        who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        subprocess.run(["git", *who, *words], cwd=self.repository, check=True)

    def _program(self, verb: str, what: str, point: Point) -> int:
        words = [verb, str(self.run_dir), what, msgspec.json.encode(point).decode()]
        command = [sys.executable, "-m", self.road.program, *words]
        if point.moment == "file":
            self._hold.write_text(HOLD_SECS)
        done = self._run(command)
        self._hold.unlink(missing_ok=True)
        self.told = done.stderr
        allowed = {0, 2, -signal.SIGKILL}
        assert done.returncode in allowed, done.stdout + done.stderr
        return done.returncode

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, capture_output=True, check=False, env=self._environment(),
            text=True, timeout=PATIENCE_SECS,
        )  # fmt: skip

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "COUNTED_REQUESTS": str(self._counted),
            "PYTHONPATH": PATHS,
            "GIT_CONFIG_GLOBAL": os.devnull,
            **self.road.environment(),
        }

    async def _state(self) -> Run:
        store = SqliteStore(self.run_dir)
        try:
            return await log.fold(store, self.run_id)
        finally:
            await store.close()

    async def _events(self) -> list[e.Event]:
        store = SqliteStore(self.run_dir)
        try:
            return [each.event async for each in log.events(store, self.run_id)]
        finally:
            await store.close()


def reported(events: list[e.Event]) -> tuple[str, ...]:
    """The report that was checked last: whose it is, its status, what was completed."""
    checked = [each for each in events if isinstance(each, e.ReportChecked)]
    if not checked:
        return ()
    by, report = checked[-1].by, checked[-1].report
    done = [f"{each.worker_id} {each.input} {each.result}" for each in report.completed]
    return (by, report.status, *done)


def marked(run_id: str) -> list[str]:
    """The command lines of the processes that carry a run's mark."""
    mark = f"LEADHAND_RUN={run_id}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if re.fullmatch(r"\d+", folder.name):
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append((folder / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
    return found


def until(met: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE_SECS
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.02)
