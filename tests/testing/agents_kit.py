"""Agents kit: the real coding agents on the model server, run by their own command lines."""

import asyncio
import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NPM = ROOT / ".agents" / "node_modules"
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
WAIT_SECS = 60.0

# A network of its own whose only way out is watched: every packet that leaves is counted, and the
# name server is out there. The model server and the agent both run in it.
ALONE = """
ip link set lo up
for each in all default; do echo 1 > /proc/sys/net/ipv6/conf/$each/disable_ipv6; done || true
ip link add out type veth peer name far
ip addr add 10.255.0.1/24 dev out
ip link set out up
ip link set far up
ip route add default via 10.255.0.2 dev out
echo nameserver 10.255.0.53 > "$1"
mount --bind "$1" /etc/resolv.conf
"""
SERVED = """
"$2" -m leadhand.testing.model_server --port 8000 > "$1.url" &
server=$!
until [ -s "$1.url" ]; do sleep 0.02; done
shift 2
code=0
"$@" || code=$?
kill $server
awk '$1 == "out:" {print "packets out: " $11}' /proc/net/dev
exit $code
"""
ALONE_URL = "http://127.0.0.1:8000"


def claude() -> str:
    """The program that the wheel holds."""
    spec = importlib.util.find_spec("claude_agent_sdk")
    found = Path(str(spec and spec.origin)).parent / "_bundled" / "claude"
    if not found.is_file():
        pytest.skip("the wheel of claude-agent-sdk for this machine holds no Claude Code")
    return str(found)


def codex() -> str:
    """The program that `make test-agents` installs."""
    found = sorted(NPM.glob("@openai/codex-*/vendor/*/bin/codex"))
    if not found:
        pytest.skip("Codex is not installed: run make test-agents")
    return str(found[0])


def claude_environment(home: Path, url: str) -> dict[str, str]:
    """An environment in which it has nothing but this model server and this folder."""
    return {
        "PATH": PATH,
        "HOME": str(home),
        "TMPDIR": str(home),
        "CLAUDE_CODE_TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "ANTHROPIC_API_KEY": "agent",
        "ANTHROPIC_BASE_URL": url,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "1",
    }


CODEX_CONFIG = """
model = "gpt-5.5"
model_provider = "leadhand"
check_for_update_on_startup = false
analytics.enabled = false
feedback.enabled = false
features.apps = false
features.plugins = false
[model_providers.leadhand]
name = "Leadhand"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "LEADHAND_TOKEN"
request_max_retries = 0
stream_max_retries = 0
"""


def codex_environment(home: Path, url: str) -> dict[str, str]:
    """As of Claude Code; its settings are a file of the folder."""
    settings, scratch = home / "codex", home / "tmp"
    for folder in (settings, scratch):
        folder.mkdir(exist_ok=True)
    (settings / "config.toml").write_text(CODEX_CONFIG.format(url=url))
    return {
        "PATH": PATH,
        "HOME": str(home),
        "CODEX_HOME": str(settings),
        "TMPDIR": str(scratch),
        "LANG": "C.UTF-8",
        "LEADHAND_TOKEN": "agent",
    }


@cache
def why_not_alone() -> str:
    """Why no network of its own can be made here; empty where it can."""
    for tool in ("unshare", "ip", "awk"):
        if shutil.which(tool) is None:
            return f"{tool} is not on this machine"
    done = subprocess.run(
        ["unshare", "-rnm", "sh", "-ec", ALONE, "sh", "/dev/null"],
        capture_output=True,
        check=False,
        text=True,
    )
    return f"no network of its own can be made: {done.stderr[-200:]}" if done.returncode else ""


class Session:
    """A live Claude Code, spoken to over its stream of JSON."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    def send(self, message: dict[str, Any]) -> None:
        """One line."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")

    def say(self, text: str) -> None:
        """A message of the user."""
        self.send({"type": "user", "message": {"role": "user", "content": text}})

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next event that is wanted."""
        assert self.process.stdout is not None
        async with asyncio.timeout(WAIT_SECS):
            while line := await self.process.stdout.readline():
                event: dict[str, Any] = json.loads(line)
                if wanted(event):
                    return event
        raise AssertionError("Claude Code ended before that")

    async def called(self) -> None:
        """Wait until the model has called a tool."""
        await self.until(lambda event: "tool_use" in str(event.get("message")))

    async def result(self) -> dict[str, Any]:
        """How the turn ended."""
        return await self.until(lambda event: event["type"] == "result")


@asynccontextmanager
async def session(home: Path, url: str, *args: str) -> AsyncIterator[Session]:
    """A session of Claude Code, killed in the end."""
    process = await asyncio.create_subprocess_exec(
        *(claude(), "-p", "--verbose"),
        *("--input-format", "stream-json", "--output-format", "stream-json"),
        *args,
        env=claude_environment(home, url),
        cwd=home,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=64 * 1024 * 1024,
    )
    try:
        yield Session(process)
    finally:
        process.kill()
        await process.wait()


async def ran(
    *command: str, env: dict[str, str], cwd: Path, alone: bool = False
) -> tuple[int, list[str]]:
    """The exit code of a command and the lines that it printed. alone: in a network of its own,
    with a model server in it; the last line then says how many packets left it."""
    if alone:
        here = env | {"PYTHONPATH": str(ROOT / "src")}
        wrap = ("unshare", "-rnm", "sh", "-ec", ALONE + SERVED, "sh", str(cwd / "resolv"))
        command, env = (*wrap, sys.executable, *command), here
    process = await asyncio.create_subprocess_exec(
        *command,
        env=env,
        cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(WAIT_SECS):
        out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode().splitlines()
