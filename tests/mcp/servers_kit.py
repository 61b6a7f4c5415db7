"""Servers kit: runs that are offered MCP servers of others; all is real but the models."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from msgspec import Struct

import leadhand
from leadhand.api import RunHandle
from leadhand.model import Request
from leadhand.models.scripted import Reply, Script
from leadhand.testing.script import Done, done

SERVER = Path(__file__).with_name("foreign_server.py")
REPORT = """\
1. STATUS: success
2. COMPLETED:
3. DEFERRED OR FAILED:
4. COST SUMMARY:
"""
Call = tuple[str, dict[str, Any]]


def manifest(*servers: str, head: str = "", workers: str = "") -> str:
    """A manifest with these servers, each the keys below its header."""
    tables = "\n".join(f"[[mcp_server]]\n{each}" for each in servers)
    return f"""
[run]
max_workers = 4
budget_usd = 1.0
{head}
[defaults]
model = "script:model"
use_worktree = false

[lead]
prompt = "Lead it."
{workers}
{tables}
"""


def program(name: str = "some", **env: str) -> str:
    """The keys of a server that is a program."""
    pairs = ", ".join(f'{key} = "{value}"' for key, value in env.items())
    return f'name = "{name}"\ncommand = "{sys.executable}"\nargs = ["{SERVER}"]\nenv = {{{pairs}}}'


class Seen(Struct):
    """A run that is over. asked: what each actor's model was asked, in order."""

    run: RunHandle
    asked: list[Request]
    events: list[Any]

    def of(self, kind: type) -> list[Any]:
        """All events of a kind."""
        return [each for each in self.events if isinstance(each, kind)]

    def of_actor(self, actor: str = "root") -> list[Request]:
        """What an actor's model was asked."""
        return [each for each in self.asked if each.actor_id == actor]

    def results(self, actor: str = "root") -> list[Done]:
        """What an actor's calls gave."""
        return done(self.of_actor(actor)[-1])

    def names(self, actor: str = "root") -> set[str]:
        """The tools of servers that an actor was told of."""
        return {each.name for each in self.of_actor(actor)[0].tools if "mcp__" in each.name}


def calling(*turns: Call | list[Call]) -> Script:
    """A lead that makes these calls, a turn each, and reports."""

    def model(request: Request) -> Reply:
        number = sum(message.role == "assistant" for message in request.messages)
        if number >= len(turns):
            return Reply(text=REPORT)
        turn = turns[number]
        return Reply(calls=tuple(turn if isinstance(turn, list) else [turn]))

    return model


def ran(
    tmp_path: Path,
    text: str,
    script: Script,
    *,
    environ: Mapping[str, str] | None = None,
    during: Callable[[RunHandle], Awaitable[None]] | None = None,
) -> Seen:
    """A whole run of a manifest with this model. during: what else happens meanwhile."""
    asked: list[Request] = []

    def model(request: Request) -> Any:
        asked.append(request)
        return script(request)

    async def story() -> Seen:
        given = {"PATH": os.environ["PATH"], **(environ or {})}
        async with leadhand.open(
            tmp_path / "runs", models={"model": model}, environ=given
        ) as folder:
            run = await folder.dispatch(text, directory=tmp_path)
            if during is not None:
                await during(run)
            async with asyncio.timeout(90):
                await run.result()
            assert run.live is not None
            events = [each.event for each in await run.live.engine.stamped()]
            return Seen(run, asked, events)

    with pytest.MonkeyPatch.context() as patched:
        # What a manifest is read with is this process's own.
        for name, value in (environ or {}).items():
            patched.setenv(name, value)
        return asyncio.run(story())


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def listening(port: int, *args: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """The server over HTTP, while this is entered."""
    process = subprocess.Popen(
        [sys.executable, str(SERVER), "--port", str(port), *args],
        env={**os.environ, **env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            try:
                httpx2.get(f"http://127.0.0.1:{port}/nothing", trust_env=False)
                break
            except httpx2.TransportError:
                time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def alive(run_id: str) -> list[str]:
    """The processes that carry the mark of a run: what each was started as."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"LEADHAND_RUN={run_id}\0".encode() in (path / "environ").read_bytes():
                found.append((path / "cmdline").read_text(errors="replace"))
    return found


def holding(folder: Path, text: str) -> list[Path]:
    """The files below a folder that hold a text."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if text.encode() in path.read_bytes()]
