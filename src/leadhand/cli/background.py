"""Background: dispatches in a process of its own, which outlives the terminal.

The process does everything that a dispatch does, its complaints included, which go where they
always go until the run exists. Then its output goes into the run's folder, and it announces the
run through a pipe.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import Struct

from leadhand.cli.ending import AT_FAULT, INTERRUPTED, SUCCEEDED
from leadhand.cli.paper import print_bytes
from leadhand.cli.signals import to_stderr
from leadhand.domain import commands as c
from leadhand.errors import StoreError
from leadhand.folder import Folder
from leadhand.refusals import Refused
from leadhand.views.record import iso
from leadhand.wiring import LiveRun

ANNOUNCE = "--announce-to"

PARENT = "--parent"
LOOK_SECS = 1.0

announce_option = click.option(ANNOUNCE, "announce", type=int, hidden=True)
parent_option = click.option(PARENT, "parent", type=int, hidden=True)


class Announced(Struct, frozen=True):
    """A run that exists and goes on by itself. manifest_path: what was dispatched, as the run
    keeps it; output_path: what its process prints."""

    run_id: str
    manifest_path: str
    started_at: str
    pid: int
    output_path: str


def start(words: list[str]) -> int:
    """Start a dispatch with these arguments and wait until its run exists; its line, or its exit
    code where it ends before that."""
    hears, tells = os.pipe()
    with os.fdopen(hears, "rb") as ear:
        # Not Popen, which would warn that its child has outlived it. -P: what lies in the present
        # folder is no module of ours.
        argv = [sys.executable, "-P", "-m", "leadhand", words[0], ANNOUNCE, str(tells)]
        argv += [PARENT, str(os.getppid()), *words[1:]]
        os.set_inheritable(tells, True)
        null = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
        said = (os.POSIX_SPAWN_DUP2, 2, 1)
        pid = os.posix_spawn(sys.executable, argv, os.environ, file_actions=[null, said])
        os.close(tells)
        try:
            line = ear.readline()
        except KeyboardInterrupt:
            os.kill(pid, signal.SIGTERM)
            return INTERRUPTED
    if line:
        print_bytes(line)
        return SUCCEEDED
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status) or AT_FAULT


def leave_terminal() -> None:
    """Be no part of the terminal's session any more: its end and its signals are not ours."""
    os.setsid()


def announce(live: LiveRun, announce_to: int) -> None:
    """Print into the run's folder from now on, and tell who started us that the run exists."""
    folder = live.folder
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    output = os.open(folder.output, flags, 0o600)
    # By number: with --json, sys.stdout is not what it was while the run goes on.
    for number in (1, 2):
        os.dup2(output, number)
    os.close(output)
    run = live.engine.run
    line = announced(folder, live.run_id, run.started_wall_ms)
    os.write(announce_to, msgspec.json.encode(line) + b"\n")
    os.close(announce_to)


async def drain_without(parent: int, live: LiveRun) -> None:
    """Drain a run once the process that had it dispatched is gone."""
    await gone(parent)
    to_stderr("draining: the process that began this run is gone, and survive_parent is false")
    with suppress(Refused, StoreError):
        await live.engine.submit(c.DrainRun("the end of the process that began it"))


async def gone(pid: int) -> None:
    """Wait until a process is gone."""
    try:
        handle = os.pidfd_open(pid) if sys.platform == "linux" else -1
    except ProcessLookupError:
        return
    except OSError:
        handle = -1
    if handle < 0:
        while True:
            if not alive(pid):
                return
            await asyncio.sleep(LOOK_SECS)
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(handle, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


def alive(pid: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def announced(folder: Folder, run_id: str, started_wall_ms: int) -> Announced:
    """What is told of a run."""
    return Announced(
        run_id=run_id,
        manifest_path=str(folder.manifest),
        started_at=iso(started_wall_ms),
        pid=os.getpid(),
        output_path=str(folder.output),
    )


def arguments(
    manifest: Path, run_dir: Path, options: Mapping[str, Any], *, as_json: bool, quiet: bool
) -> list[str]:
    """The command line of the dispatch, without what makes it one in the background. options:
    those that set something in the manifest."""
    words = ["dispatch", f"--run-dir={run_dir}"]
    words += [f"--{name}={options[name]}" for name in ("model", "directory") if options[name]]
    words += [f"--set={each}" for each in options["assignments"]]
    words += ["--json"] * as_json + ["--quiet"] * quiet
    # Behind --, so that no name of a file is taken for an option.
    return [*words, "--", str(manifest)]
