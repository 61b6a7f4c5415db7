"""Claude code: one session of Claude Code, driven through its SDK on a process of our own.

One process lives as long as the session. What is said while it works it reads at the next boundary
of a tool call. Its own cost figures and limits count for nothing: the gateway's do.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import claude_agent_sdk as sdk
import msgspec
from msgspec import Struct

from leadhand.agent import Ended, EndKind, Hands, Place
from leadhand.child import Child
from leadhand.errors import HarnessError
from leadhand.processes import Processes
from leadhand.room import resident_mb

SERVER = "leadhand"
TOKEN_NAME = "LEADHAND_TOKEN"  # noqa: S105 (the name of a variable)
# An operator may take this long to answer, and a provider to be there again.
PATIENCE_SECS = 30 * 24 * 3600
END_SECS = 5.0
CLOSE_SECS = 20.0
ERRORS_MAX = 2_000
# Where our levels of effort have no name there.
EFFORTS = {"none": "low", "minimal": "low"}
NO_SESSION = "No conversation found"

_KINDS: dict[str, EndKind] = {
    "aborted_tools": "interrupted",
    "aborted_streaming": "interrupted",
    "prompt_too_long": "too_long",
}


class Result(Struct, frozen=True):
    """The end of a turn, as the agent tells it."""

    subtype: str = ""
    is_error: bool = False
    result: str | None = None
    errors: list[Any] = []
    stop_reason: str | None = None
    terminal_reason: str | None = None


def program() -> Path:
    """The program that the SDK brings along. Raises HarnessError where it has none."""
    found = Path(sdk.__file__).parent / "_bundled" / "claude"
    if not found.is_file():
        raise HarnessError(
            "claude-agent-sdk has brought no Claude Code for this machine", retryable=False
        )
    return found


class ClaudeCode:
    """See `agent.Agent`."""

    def __init__(self, processes: Processes, place: Place, hands: Hands) -> None:
        self._processes, self._place, self._hands = processes, place, hands
        self._heard_at = time.monotonic()
        self._ends: asyncio.Queue[Ended | HarnessError] = asyncio.Queue()
        # What was said and is not yet read, by its ids.
        self._unread: set[str] = set()
        self._allowed: set[str] = set()
        self._client: sdk.ClaudeSDKClient | None = None
        self._pipe: Pipe | None = None
        self._reader: asyncio.Task[None] | None = None

    async def begin(self) -> bool:
        """See `agent.Agent.begin`."""
        kept = next(self._kept(), None)
        if kept is None:
            await self._connect(again=False)
            return False
        try:
            await self._connect(again=True)
        except HarnessError as error:
            if NO_SESSION not in error.message:
                raise
            # Nothing was ever said in it. It is set aside, not removed.
            kept.rename(kept.with_suffix(f".{uuid4().hex[:8]}.empty"))
            await self._connect(again=False)
            return False
        return True

    def _kept(self) -> Iterator[Path]:
        return (config_of(self._place) / "projects").glob(f"*/{self._place.session}.jsonl")

    async def _connect(self, *, again: bool) -> None:
        """Start the process and shake hands. Raises HarnessError."""
        place = self._place
        for name in ("config", "tmp"):
            (place.home / name).mkdir(mode=0o700, exist_ok=True)
        system = place.home / "system.md"
        system.write_text(place.system)
        pipe = Pipe(self._processes, place, arguments(place, system, again=again), self._hear)
        hooks: Any = {
            "PreToolUse": [
                sdk.HookMatcher(hooks=[self._before], timeout=PATIENCE_SECS, on_failure="block")
            ],
            "PostToolUse": [sdk.HookMatcher(hooks=[self._after], timeout=PATIENCE_SECS)],
        }
        options = sdk.ClaudeAgentOptions(can_use_tool=self._may, hooks=hooks)
        client = sdk.ClaudeSDKClient(options, transport=pipe)
        try:
            async with asyncio.timeout(place.start_secs):
                await client.connect()
        except (sdk.ClaudeSDKError, TimeoutError, OSError) as error:
            await pipe.close()
            what = f"not ready after {place.start_secs:g} s" * isinstance(error, TimeoutError)
            raise HarnessError(f"Claude Code: {what or pipe.said() or error}") from None
        except BaseException:
            await pipe.close()
            raise
        self._client, self._pipe = client, pipe
        self._reader = asyncio.create_task(self._read(client), name=f"Claude Code {place.actor}")

    async def _read(self, client: sdk.ClaudeSDKClient) -> None:
        """Keep its stream flowing; what it says was heard in the pipe."""
        with suppress(sdk.ClaudeSDKError):
            async for _ in client.receive_messages():
                pass

    def _hear(self, message: Mapping[str, Any]) -> None:
        """Note what matters of what it says."""
        self._heard_at = time.monotonic()
        kind = message.get("type")
        if kind == "command_lifecycle" and message.get("state") in ("started", "completed"):
            self._unread.discard(str(message.get("command_uuid")))
        elif kind == "system" and message.get("subtype") == "init":
            # It would go on without our tools and say nothing.
            found = {each.get("name"): each.get("status") for each in message["mcp_servers"]}
            if found.get(SERVER) != "connected":
                why = f"Claude Code has none of our tools: the MCP server is {found.get(SERVER)}"
                self._ends.put_nowait(HarnessError(why))
        elif kind == "result" and not self._unread:
            # While something is unread another turn follows, and this is not the end.
            self._ends.put_nowait(ended(msgspec.convert(message, Result)))

    async def say(self, text: str) -> None:
        """See `agent.Agent.say`."""
        assert self._pipe is not None
        mark = str(uuid4())
        self._unread.add(mark)
        content = {"role": "user", "content": text}
        message = {"type": "user", "message": content, "uuid": mark, "client_composed": True}
        await self._pipe.write(json.dumps(message) + "\n")

    async def interrupt(self) -> None:
        """See `agent.Agent.interrupt`."""
        assert self._client is not None
        with suppress(sdk.ClaudeSDKError, HarnessError):
            await self._client.interrupt()

    async def turn(self) -> Ended:
        """See `agent.Agent.turn`."""
        assert self._reader is not None
        while True:
            end = asyncio.create_task(self._ends.get())
            try:
                await asyncio.wait({end, self._reader}, return_when=asyncio.FIRST_COMPLETED)
                if not end.done():
                    break
                found = end.result()
                if isinstance(found, HarnessError):
                    raise found
                if not self._unread:
                    return found
            finally:
                end.cancel()
        assert self._pipe is not None
        raise HarnessError(f"Claude Code ended by itself: {self._pipe.said()}")

    def quiet_secs(self) -> float:
        """See `agent.Agent.quiet_secs`."""
        return time.monotonic() - self._heard_at

    def resident_mb(self) -> int:
        """See `agent.Agent.resident_mb`."""
        return self._pipe.resident_mb() if self._pipe is not None else 0

    async def close(self) -> None:
        """See `agent.Agent.close`."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        if self._client is not None:
            with suppress(sdk.ClaudeSDKError, TimeoutError):
                async with asyncio.timeout(CLOSE_SECS):
                    await self._client.disconnect()
        if self._pipe is not None:
            await self._pipe.close()

    async def _before(self, given: Any, call: str | None, context: Any) -> Any:
        """Whether a call of one of its tools may be carried out; ours are asked about by us."""
        name, args = str(given["tool_name"]), given["tool_input"]
        if name.startswith(f"mcp__{SERVER}__"):
            return {}
        why = await self._hands.ask(call or "", name, args)
        decision = {"hookEventName": "PreToolUse", "permissionDecision": "deny" if why else "allow"}
        if why:
            decision["permissionDecisionReason"] = why
        elif call:
            self._allowed.add(call)
        return {"hookSpecificOutput": decision}

    async def _after(self, given: Any, call: str | None, context: Any) -> Any:
        """What is to be told after a call."""
        self._allowed.discard(call or "")
        name = str(given["tool_name"])
        if name.startswith(f"mcp__{SERVER}__"):
            return {}
        note = await self._hands.after(call or "", name)
        if not note:
            return {}
        return {"hookSpecificOutput": {"hookEventName": "PostToolUse", "additionalContext": note}}

    async def _may(self, name: str, args: dict[str, Any], context: Any) -> sdk.PermissionResult:
        """What it asks beside its hook: some places it holds to be delicate."""
        call = context.tool_use_id or ""
        if call in self._allowed:
            return sdk.PermissionResultAllow()
        why = await self._hands.ask(call, name, args)
        return sdk.PermissionResultDeny(message=why) if why else sdk.PermissionResultAllow()


def ended(result: Result) -> Ended:
    """How a turn ended: an API error hides in what it calls a success."""
    text = result.result or ""
    kind = _KINDS.get(result.terminal_reason or "")
    if kind is None and (result.is_error or result.subtype != "success"):
        kind = "failed"
    if kind is None:
        kind = "refused" if result.stop_reason == "refusal" else "done"
    told = "; ".join(map(str, result.errors)) or text or result.subtype
    return Ended(kind, text, "" if kind == "done" else told)


def arguments(place: Place, system: Path, *, again: bool) -> list[str]:
    """The command line. again: an earlier session goes on."""
    bearer = {"Authorization": f"Bearer ${{{TOKEN_NAME}}}"}
    server = {"type": "http", "url": place.door.url, "headers": bearer, "alwaysLoad": True}
    found = [
        *(str(program()), "--input-format=stream-json", "--output-format=stream-json", "--verbose"),
        *("--model", place.model, "--tools", ",".join(place.tools)),
        *("--append-system-prompt-file", str(system)),
        *("--mcp-config", json.dumps({"mcpServers": {SERVER: server}}), "--strict-mcp-config"),
        *("--allowedTools", f"mcp__{SERVER}__*"),
        f"--setting-sources={'user,project' if place.user_settings else ''}",
        *("--permission-mode", "default", "--permission-prompt-tool", "stdio"),
        f"--{'resume' if again else 'session-id'}={place.session}",
    ]
    for each in place.add_dirs:
        found += ["--add-dir", str(each)]
    if place.effort is not None:
        found += ["--effort", EFFORTS.get(place.effort, place.effort)]
    return found


def config_of(place: Place) -> Path:
    """Where it keeps its settings and its sessions."""
    user = place.env.get("HOME", "")
    return Path(user) / ".claude" if place.user_settings and user else place.home / "config"


def environment(place: Place) -> dict[str, str]:
    """Its whole environment: homes of its own, and nobody to talk to but us."""
    home, patience = place.home, str(min(2**31 - 1, PATIENCE_SECS * 1000))
    ours = {"ANTHROPIC_API_KEY": place.door.token}
    if place.login:
        # Its login goes on to the provider; who it is, is told beside.
        ours = place.login | {"ANTHROPIC_CUSTOM_HEADERS": f"X-Leadhand-Token: {place.door.token}"}
    return (
        place.env
        | ours
        | {
            "HOME": str(home),
            "CLAUDE_CONFIG_DIR": str(config_of(place)),
            "TMPDIR": str(home / "tmp"),
            "CLAUDE_CODE_TMPDIR": str(home / "tmp"),
            "ANTHROPIC_BASE_URL": place.door.models_url,
            TOKEN_NAME: place.door.token,
            # Its quick helper calls are asked of the same model, so that one price holds.
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": place.model,
            "ANTHROPIC_SMALL_FAST_MODEL": place.model,
            "API_TIMEOUT_MS": patience,
            "MCP_TOOL_TIMEOUT": patience,
            "CLAUDE_CODE_MAX_RETRIES": "3",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            # A command in the background would outlive the turn, and wake the agent afterwards.
            "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
            "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
            "CLAUDE_CODE_ENTRYPOINT": "sdk-py",
        }
    )


class Pipe(sdk.Transport):
    """The lines of the agent's process. heard: is given each before the SDK is."""

    def __init__(
        self,
        processes: Processes,
        place: Place,
        argv: list[str],
        heard: Any,
    ) -> None:
        self._processes, self._place, self._argv, self._heard = processes, place, argv, heard
        self._child: Child | None = None

    async def connect(self) -> None:
        """See `claude_agent_sdk.Transport`."""
        place = self._place
        self._child = await self._processes.open(
            self._argv, actor_id=place.actor, cwd=place.root, env=environment(place)
        )

    async def write(self, data: str) -> None:
        """See `claude_agent_sdk.Transport`. Raises HarnessError."""
        if self._child is None:
            raise sdk.CLIConnectionError("it has not been started")
        await self._child.write(data.encode(errors="backslashreplace"))

    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        """See `claude_agent_sdk.Transport`."""
        assert self._child is not None
        async for line in self._child.lines():
            try:
                message = msgspec.json.decode(line)
            except (msgspec.DecodeError, RecursionError):
                continue
            if isinstance(message, dict):
                self._heard(message)
                yield message

    async def close(self) -> None:
        """See `claude_agent_sdk.Transport`."""
        if self._child is not None:
            await self._child.end(END_SECS)

    def is_ready(self) -> bool:
        """See `claude_agent_sdk.Transport`."""
        return self._child is not None and self._child.returncode is None

    async def end_input(self) -> None:
        """See `claude_agent_sdk.Transport`."""
        if self._child is not None:
            self._child.close_stdin()

    def resident_mb(self) -> int:
        """See `agent.Agent.resident_mb`."""
        return resident_mb(self._child.pid) if self.is_ready() and self._child else 0

    def said(self) -> str:
        """The last that it wrote to stderr, and how it ended."""
        if self._child is None:
            return "it could not be started"
        code = self._child.returncode
        return f"{self._child.errors[-ERRORS_MAX:].strip()} (exit code {code})".strip()
