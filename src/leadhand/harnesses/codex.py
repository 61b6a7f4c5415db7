"""Codex: one session of Codex, driven through `codex app-server` on a process of our own.

A process for each actor: its marks, its memory and its standing still are the actor's. Every
command and patch is asked about; our tools are dynamic tools, whose call id is the model's own.
"""

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from leadhand.agent import Ended, EndKind, Hands, Place
from leadhand.child import Child
from leadhand.domain.text import one_line
from leadhand.errors import HarnessError
from leadhand.processes import Processes
from leadhand.room import resident_mb
from leadhand.rpc_lines import Params, RpcError, RpcLines

TOKEN_NAME = "LEADHAND_TOKEN"  # noqa: S105 (the name of a variable)
ASK_SECS = 60.0
END_SECS = 5.0
ERRORS_MAX = 2_000
KEPT = "thread"
# Names of dynamic tools do not begin so: those of other people's MCP servers go without it.
RESERVED = "mcp__"
# Where our levels of effort have no name there.
EFFORTS = {"none": "minimal", "max": "xhigh"}
# What its own account of a command's parts is in our tools; anything else is a command.
ACTIONS = {"read": ("Read", "path"), "listFiles": ("Glob", "path"), "search": ("Grep", "path")}
# Its provider is our door; nothing else is asked. A network that is not there is not waited for.
CONFIG = """\
model = {model}
model_provider = "leadhand"
check_for_update_on_startup = false
analytics.enabled = false
feedback.enabled = false
[features]
apps = false
browser_use = false
code_mode = false
code_mode_host = false
computer_use = false
enable_request_compression = false
goals = false
guardian_approval = false
hooks = false
image_generation = false
multi_agent = false
plugins = false
unbounded_connection_retries = false
[model_providers.leadhand]
name = "Leadhand"
base_url = {url}
wire_api = "responses"
env_key = "LEADHAND_TOKEN"
request_max_retries = 3
stream_max_retries = 3
stream_idle_timeout_ms = 86400000
"""


def program(path: str) -> str:
    """The program, on this search path. Raises HarnessError."""
    found = shutil.which("codex", path=path)
    if found is None:
        raise HarnessError("codex is not on PATH: npm install -g @openai/codex", retryable=False)
    return found


class Codex:
    """See `agent.Agent`."""

    def __init__(self, processes: Processes, place: Place, hands: Hands) -> None:
        self._processes, self._place, self._hands = processes, place, hands
        self._child: Child | None = None
        self._rpc: RpcLines | None = None
        self._thread = self._turn = self._words = ""
        # How many are saying something just now.
        self._saying = 0
        self._ends: asyncio.Queue[Ended] = asyncio.Queue()
        # The files that a patch is about to change, by its item.
        self._patches: dict[str, list[str]] = {}

    async def begin(self) -> bool:
        """See `agent.Agent.begin`."""
        place = self._place
        home, scratch = place.home / "codex", place.home / "tmp"
        for folder in (home, scratch):
            folder.mkdir(mode=0o700, exist_ok=True)
        url = quoted(f"{place.door.models_url}/v1")
        config = CONFIG.format(model=quoted(place.model), url=url)
        if place.effort is not None:
            effort = quoted(EFFORTS.get(place.effort, place.effort))
            config = f"model_reasoning_effort = {effort}\n{config}"
        (home / "config.toml").write_text(config)
        env = place.env | {
            "HOME": str(place.home),
            "CODEX_HOME": str(home),
            "TMPDIR": str(scratch),
            "NO_COLOR": "1",
            TOKEN_NAME: place.door.token,
        }
        argv = [program(place.env.get("PATH", "")), "app-server"]
        self._child = await self._processes.open(
            argv, actor_id=place.actor, cwd=place.root, env=env
        )
        self._rpc = RpcLines(self._child, self._hear, self._serve)
        try:
            async with asyncio.timeout(place.start_secs):
                return await self._shake_hands()
        except (TimeoutError, HarnessError) as error:
            await self.close()
            late = f"not ready after {place.start_secs:g} s" * isinstance(error, TimeoutError)
            raise HarnessError(f"Codex: {late or error}; {self._said()}") from error

    async def _shake_hands(self) -> bool:
        """Open the thread that was kept, else a new one; whether it is the earlier one."""
        rpc, place = self._asking(), self._place
        client = {"name": "leadhand", "version": "1"}
        able = {"experimentalApi": True}
        await rpc.request("initialize", {"clientInfo": client, "capabilities": able}, ASK_SECS)
        await rpc.notify("initialized")
        asked: dict[str, Any] = {
            "cwd": str(place.root),
            "approvalPolicy": "untrusted",
            "sandbox": "danger-full-access",
            "developerInstructions": place.system,
        }
        kept = place.home / KEPT
        if kept.is_file():
            with suppress(RpcError):
                resumed = asked | {"threadId": kept.read_text(), "excludeTurns": True}
                self._thread = thread_of(await rpc.request("thread/resume", resumed, ASK_SECS))
                return True
            # Nothing was ever said in it.
        tools = [
            {
                "type": "function",
                "name": each.name.removeprefix(RESERVED),
                "description": each.description,
                "inputSchema": each.schema,
            }
            for each in place.schemas
        ]
        began = await rpc.request("thread/start", asked | {"dynamicTools": tools}, ASK_SECS)
        self._thread = thread_of(began)
        kept.write_text(self._thread)
        return False

    async def say(self, text: str) -> None:
        """See `agent.Agent.say`."""
        self._saying += 1
        try:
            told = {"threadId": self._thread, "input": [{"type": "text", "text": text}]}
            if self._turn:
                # It may have ended just now: then this begins the next.
                with suppress(RpcError):
                    steer = told | {"expectedTurnId": self._turn}
                    await self._asking().request("turn/steer", steer, ASK_SECS)
                    return
            began = await self._asking().request("turn/start", told, ASK_SECS)
            self._turn = str(began["turn"]["id"])
        finally:
            self._saying -= 1

    async def interrupt(self) -> None:
        """See `agent.Agent.interrupt`."""
        if self._turn:
            asked = {"threadId": self._thread, "turnId": self._turn}
            with suppress(HarnessError):
                await self._asking().request("turn/interrupt", asked, ASK_SECS)

    async def turn(self) -> Ended:
        """See `agent.Agent.turn`."""
        over = self._asking().over
        while True:
            end = asyncio.create_task(self._ends.get())
            try:
                await asyncio.wait({end, over}, return_when=asyncio.FIRST_COMPLETED)
                if not end.done():
                    raise HarnessError(f"Codex ended by itself: {self._said()}")
                if not self._turn and not self._saying:
                    return end.result()
            finally:
                end.cancel()

    def quiet_secs(self) -> float:
        """See `agent.Agent.quiet_secs`."""
        return time.monotonic() - self._asking().heard_at

    def resident_mb(self) -> int:
        """See `agent.Agent.resident_mb`."""
        alive = self._child is not None and self._child.returncode is None
        return resident_mb(self._child.pid) if alive and self._child else 0

    async def close(self) -> None:
        """See `agent.Agent.close`."""
        if self._child is not None:
            await self._child.end(END_SECS)
        if self._rpc is not None:
            await self._rpc.close()

    def _asking(self) -> RpcLines:
        assert self._rpc is not None
        return self._rpc

    def _said(self) -> str:
        if self._child is None:
            return "it could not be started"
        said = self._child.errors[-ERRORS_MAX:].strip()
        return f"{said} (exit code {self._child.returncode})".strip()

    def _hear(self, method: str, params: Params) -> None:
        """Note what matters of what it tells."""
        item = params.get("item")
        item = item if isinstance(item, dict) else {}
        match method, item.get("type"):
            case "turn/started", _:
                self._turn, self._words = str(params["turn"]["id"]), ""
            case "item/started", "fileChange":
                paths = [str(each.get("path")) for each in item.get("changes") or ()]
                self._patches[str(item.get("id"))] = paths
            case "item/completed", "agentMessage":
                self._words = str(item.get("text") or "")
            case "turn/completed", _:
                self._turn = ""
                self._patches.clear()
                self._ends.put_nowait(ended(params.get("turn") or {}, self._words))
            case _:
                pass

    async def _serve(self, method: str, params: Params) -> Any:
        """Answer what it asks. Raises LookupError."""
        answers: dict[str, Callable[[Params], Any]] = {
            "item/commandExecution/requestApproval": self._command,
            "item/fileChange/requestApproval": self._patch,
            "item/tool/call": self._call,
        }
        return await answers[method](params)

    async def _command(self, params: Params) -> dict[str, Any]:
        return await self._decided(str(params["itemId"]), [*asked_for(params)])

    async def _patch(self, params: Params) -> dict[str, Any]:
        call = str(params["itemId"])
        paths = self._patches.get(call) or [str(params.get("grantRoot") or "")]
        return await self._decided(call, [("Write", {"file_path": path}) for path in paths])

    async def _decided(self, call: str, about: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
        """Whether it may do all of that; a refusal is told to it, since it has no place for why."""
        for number, (name, args) in enumerate(about):
            why = await self._hands.ask(f"{call}.{number}" if number else call, name, args)
            if why:
                with suppress(HarnessError):
                    await self.say(f"Refused, and not carried out: {why}")
                return {"decision": "decline"}
        return {"decision": "accept"}

    async def _call(self, params: Params) -> dict[str, Any]:
        args = params.get("arguments")
        given = args if isinstance(args, dict) else {}
        name = str(params["tool"])
        known = {each.name for each in self._place.schemas}
        name = name if name in known else RESERVED + name
        result = await self._hands.call(str(params["callId"]), name, given)
        text = {"type": "inputText", "text": result.content}
        return {"success": not result.is_error, "contentItems": [text]}


def asked_for(params: Params) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a command does, as calls of our tools: what it only reads, by its own account, or a
    command."""
    actions = params.get("commandActions")
    found = [each for each in actions or () if isinstance(each, dict)]
    known = [ACTIONS.get(str(each.get("type"))) for each in found]
    if not found or not all(known):
        plain = " && ".join(str(each.get("command")) for each in found)
        yield "Bash", {"command": plain or str(params.get("command") or "")}
        return
    for each, tool in zip(found, known, strict=True):
        assert tool is not None
        name, key = tool
        path = each.get("path") or "."
        yield name, {"file_path" if name == "Read" else key: str(path)}


def ended(turn: Mapping[str, Any], words: str) -> Ended:
    """How a turn ended."""
    status, error = turn.get("status"), turn.get("error")
    told = error if isinstance(error, dict) else {}
    message, info = one_line(str(told.get("message") or ""), 1_000), told.get("codexErrorInfo")
    kind: EndKind = "failed"
    if status == "completed":
        kind = "done"
    elif status == "interrupted":
        kind = "interrupted"
    elif info == "contextWindowExceeded":
        kind = "too_long"
    elif "max_output_tokens" in message:
        kind = "cut"
    return Ended(kind, words, "" if kind == "done" else message or str(status))


def thread_of(answer: Any) -> str:
    """The id of the thread that was opened."""
    return str(answer["thread"]["id"])


def quoted(text: str) -> str:
    """A text as TOML has it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char for char in escaped if char >= " ") + '"'
