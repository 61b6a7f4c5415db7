"""Kit: a run that MCP clients lead; engine, store, sessions and HTTP are real, models scripts."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult
from msgspec import Struct

import leadhand
from leadhand import freeze
from leadhand.api import RunHandle
from leadhand.api.client import changing, read
from leadhand.domain.ids import ROOT, ActorId
from leadhand.harness import Door
from leadhand.mcp.http import HttpDoors
from leadhand.models.scripted import Reply, Script
from leadhand.wiring import LiveRun

MANIFEST = """
[run]
max_workers = 200
budget_usd = 1.0

[lead]
model = "script:worker"
prompt = "Lead it."
"""
REPORT = """\
1. STATUS: success
2. COMPLETED:
3. DEFERRED OR FAILED:
4. COST SUMMARY:
"""


def worker(request: Any) -> Reply:
    """Does what its prompt says: waits so many seconds, and says that it has."""
    words = request.messages[0].blocks[0].text.split()
    secs = float(words[1]) if words[0] == "sleep" else 0.0
    return Reply(text=f"did {' '.join(words)}", delay_secs=secs)


class Led(Struct):
    """A run that is led from outside, and the lead's door."""

    run: RunHandle
    live: LiveRun
    doors: HttpDoors
    door: Door

    async def events(self) -> list[Any]:
        """All events so far."""
        return [each.event for each in await self.live.engine.stamped()]

    async def of(self, kind: type) -> list[Any]:
        """All events of a kind so far."""
        return [each for each in await self.events() if isinstance(each, kind)]

    async def door_of(self, actor: str) -> Door:
        """The door of another actor."""
        return await self.doors.open(ActorId(actor))


@asynccontextmanager
async def led(
    tmp_path: Path,
    text: str = MANIFEST,
    *,
    patience: int | None = None,
    models: Mapping[str, Script] | None = None,
    resume: str = "",
) -> AsyncIterator[Led]:
    """A run, at work while this is entered."""
    scripts = {"worker": worker, **(models or {})}
    async with leadhand.open(
        tmp_path / "runs", models=scripts, environ={"PATH": os.environ["PATH"]}
    ) as folder:
        if resume:
            run = await folder.resume(resume)
        else:
            work = tmp_path / "work"
            work.mkdir()
            asked = read(text, [], changing(None, work))[0].manifest
            run = await folder.start(freeze.led_outside(asked), text)
        assert run.live is not None
        doors = run.live.doors(patience)
        yield Led(run, run.live, doors, await doors.open(ROOT))


@asynccontextmanager
async def connected(door: Door, *, read: float = 300, **options: Any) -> AsyncIterator[Client]:
    """An MCP client at a door."""
    headers = {"Authorization": f"Bearer {door.token}"}
    timeout = httpx2.Timeout(30, read=read)
    async with (
        httpx2.AsyncClient(headers=headers, timeout=timeout) as http,
        Client(streamable_http_client(door.url, http_client=http), **options) as client,
    ):
        yield client


def given(result: CallToolResult) -> dict[str, Any]:
    """What a call gave that went well."""
    assert not result.is_error, result.content
    found: dict[str, Any] = result.structured_content
    return found


def code(result: CallToolResult) -> str:
    """Why a call was refused."""
    assert result.is_error
    return str(result.structured_content["error"]["code"])


async def until(condition: Any, secs: float = 10.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(secs):
        while not condition():  # noqa: ASYNC110 (what is waited for tells nobody)
            await asyncio.sleep(0.01)
