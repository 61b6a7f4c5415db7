"""Npm: the public conformance suite and the inspector's command line, against a run of ours.

They are fetched once into a folder of the machine's temporary ones, where npm is there.
"""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from mcp.server.transport_security import TransportSecuritySettings
from uvicorn import Config

from leadhand.mcp.http import PATH, Deaf, Guard, identity
from leadhand.mcp.served import server
from tests.mcp.kit import Led, connected, given, led
from tests.mcp.test_http import play

PACKAGES = {
    "conformance": "@modelcontextprotocol/conformance@0.1.16",
    "mcp-inspector": "@modelcontextprotocol/inspector@2.12.0",
}
# Both want a newer node than many a machine has; npm brings it.
NODE = "node@22"
# Those that ask for no tools, resources or prompts of the suite's own.
SCENARIOS = (
    "server-initialize",
    "ping",
    "tools-list",
    "resources-list",
    "prompts-list",
    "server-sse-multiple-streams",
    "dns-rebinding-protection",
)

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not on this machine"),
]


def installed(name: str) -> str:
    """The path of a command of npm's."""
    folder = Path(tempfile.gettempdir()) / "leadhand-npm" / name
    command = folder / "node_modules" / ".bin" / name
    if not command.exists():
        folder.mkdir(parents=True, exist_ok=True)
        asked = ["npm", "install", "--no-audit", "--no-fund", NODE, PACKAGES[name]]
        done = subprocess.run(asked, cwd=folder, capture_output=True, check=False, text=True)
        if done.returncode:
            pytest.skip(f"npm cannot fetch {PACKAGES[name]}: {done.stderr[-200:]}")
    return str(command)


@asynccontextmanager
async def without_token(run: Led) -> AsyncIterator[str]:
    """A door that takes everybody for the lead: the suite knows no tokens."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app = server(run.live.desk(), identity).streamable_http_app(
        streamable_http_path=PATH, transport_security=security
    )
    guard = Guard(app, run.live.desk(), run.doors.tokens, port, run.live.presence.seen)
    token = f"Bearer {run.door.token}".encode()

    async def let_in(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope = {**scope, "headers": [*scope["headers"], (b"authorization", token)]}
        await guard(scope, receive, send)

    serving = Deaf(Config(let_in, log_config=None, lifespan="on", ws="none"))
    task = asyncio.create_task(serving.serve(sockets=[listening]))
    try:
        yield f"http://127.0.0.1:{port}{PATH}"
    finally:
        serving.should_exit = True
        await asyncio.wait([task], timeout=5)


async def asked(*command: str) -> tuple[int, str]:
    """The exit code of a command and all that it said."""
    node = Path(command[0]).parent
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"NO_COLOR": "1", "PATH": f"{node}:{os.environ['PATH']}"},
    )
    out, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode() + errors.decode() * bool(process.returncode)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_conformance_suite_passes(tmp_path: Path, scenario: str) -> None:
    suite = installed("conformance")

    async def story() -> None:
        async with led(tmp_path) as run, without_token(run) as url:
            args = ("server", "--url", url, "--scenario", scenario, "-o", str(tmp_path / "out"))
            code, said = await asked(suite, *args)
            assert code == 0, said[-2_000:]

    play(story())


def test_the_inspector_lists_and_calls(tmp_path: Path) -> None:
    inspector = installed("mcp-inspector")

    async def story() -> None:
        async with led(tmp_path) as run:
            async with connected(run.door) as client:
                given(await client.call_tool("spawn_worker", {"prompt": "sleep 60"}))
            token = f"Authorization: Bearer {run.door.token}"
            base = ("--cli", run.door.url, "--transport", "http", "--header", token, "--method")
            code, said = await asked(inspector, *base, "tools/list")
            assert code == 0, said[-2_000:]
            names = {each["name"] for each in msgspec.json.decode(said)["tools"]}
            assert {"spawn_worker", "finish"} <= names
            code, said = await asked(inspector, *base, "tools/call", "--tool-name", "list_workers")
            assert code == 0, said[-2_000:]
            assert "root/W1" in said
            code, said = await asked(inspector, *base, "resources/read", "--uri", "leadhand://tree")
            assert code == 0, said[-2_000:]
            code, said = await asked(inspector, *base, "prompts/get", "--prompt-name", "briefing")
            assert code == 0, said[-2_000:]
            assert "You are the lead" in said

    play(story())
