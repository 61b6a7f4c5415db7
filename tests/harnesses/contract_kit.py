"""Contract kit: whole runs over HTTP, whose worker's session is run by any harness.

The model is a script in the prompt, played by a server on loopback; all else is real.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ActorId
from leadhand.domain.invariants import broken
from leadhand.domain.manifest import (
    Agent,
    Approvals,
    HarnessName,
    HouseRules,
    Lead,
    Manifest,
    Settings,
)
from leadhand.domain.money import Price
from leadhand.domain.state import Record, Run
from leadhand.engine.log import events
from leadhand.stores.sqlite import SqliteStore
from leadhand.testing.model_server import ModelServer
from leadhand.testing.step import Step, with_script
from leadhand.wiring import LiveRun, resume_run, start_run
from tests.testing.agents_kit import NPM

MODELS: dict[HarnessName, str] = {
    "api": "anthropic:claude-haiku-4-5",
    "claude-code": "anthropic:claude-haiku-4-5",
    "codex": "openai:gpt-5.5",
}
LEAD_MODEL = MODELS["api"]
# A nano-dollar a token, so that money reads as tokens.
UNIT = Price(1_000_000, 1_000_000, 1_000_000, 1_000_000)
PATIENCE_SECS = 90.0
KEY = "sk-contract-0123456789abcdef"
W1 = ActorId("root/W1")
REPORT = "STATUS: success\nCOMPLETED\n- none\nDEFERRED OR FAILED\n- none\nCOST SUMMARY\n- none"
Call = tuple[str, dict[str, Any]]


class Speech(Struct, frozen=True):
    """How a script names tools to the model of an agent."""

    harness: HarnessName

    def shell(self, command: str) -> Call:
        """A command of a shell."""
        if self.harness == "codex":
            return "exec_command", {"cmd": command}
        return "Bash", {"command": command, **self._why()}

    def write(self, path: Path, content: str) -> Call:
        """A file that is made."""
        if self.harness == "codex":
            patch = f"*** Begin Patch\n*** Add File: {path}\n+{content}\n*** End Patch"
            return "apply_patch", {"input": patch}
        return "Write", {"file_path": str(path), "content": content}

    def ours(self, name: str, **args: Any) -> Call:
        """A tool of ours."""
        return f"mcp__leadhand__{name}" if self.harness == "claude-code" else name, args

    def _why(self) -> dict[str, str]:
        return {"description": "A step."} if self.harness == "claude-code" else {}


class Stage:
    """One run of a lead and a worker, which somebody may act upon."""

    def __init__(self, live: LiveRun, server: ModelServer, work: Path) -> None:
        self.live, self.server, self.work = live, server, work
        self.going = asyncio.create_task(live.go())

    @property
    def run(self) -> Run:
        """What is true now."""
        return self.live.engine.run

    async def until(self, what: Callable[[Run], Any], secs: float = PATIENCE_SECS) -> None:
        """Wait until something is true of the run."""
        async with asyncio.timeout(secs):
            while not what(self.run):
                assert not self.going.done(), "the run ended before that"
                await asyncio.sleep(0.02)

    async def until_there(self, path: Path, secs: float = PATIENCE_SECS) -> None:
        """Wait until a file is there."""
        await self.until(lambda _: path.exists(), secs)

    async def submit(self, command: c.Command) -> None:
        """Ask for a command as the operator."""
        await self.live.engine.submit(command)

    async def over(self, secs: float = PATIENCE_SECS) -> bool:
        """Wait for the end of the run; whether it finished."""
        async with asyncio.timeout(secs):
            return await self.going

    def record(self, actor: str = W1) -> Record:
        """How an actor settled."""
        return self.run.records[ActorId(actor)]

    async def events(self, actor: str = "") -> list[e.Event]:
        """What happened, of one actor or of all."""
        await self.live.engine.flush()
        found = events(self.live.store, self.live.run_id, actor=ActorId(actor) if actor else None)
        return [stamped.event async for stamped in found]

    def pids(self, actor: str = W1) -> list[int]:
        """The processes of an actor that are alive."""
        return marked(f"LEADHAND_ACTOR={actor}", f"LEADHAND_RUN={self.live.run_id}")


def marked(*marks: str) -> list[int]:
    """The processes whose environment holds these marks."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            held = (folder / "environ").read_bytes().split(b"\0") if folder.name.isdigit() else []
        except OSError:
            continue
        if held and all(mark.encode() in held for mark in marks):
            found.append(int(folder.name))
    return found


def asked(
    harness: HarnessName,
    work: Path,
    worker: str,
    lead: list[Step] | None = None,
    *,
    house: HouseRules | None = None,
    approvals: Approvals | None = None,
    **settings: Any,
) -> Manifest:
    """The manifest of a lead in this process and a worker of this harness. worker: its prompt."""
    steps = lead or [
        Step(calls=(("spawn_worker", {"prompt": worker, "agent": "one", "label": "one"}),)),
        Step(calls=(("wait_actor", {"worker_id": "root/W1"}),)),
        Step(text=REPORT),
    ]
    own: dict[str, Any] = {"model": MODELS[harness], "harness": harness} | settings
    leading = Settings(model=LEAD_MODEL, directory=str(work), use_worktree=False)
    return Manifest(
        lead=Lead("stage", with_script("Lead.", steps), leading),
        house=house or HouseRules(),
        defaults=Settings(model=LEAD_MODEL, tools=("Read", "Write", "Bash")),
        agents={"one": Agent("", Settings(**own))},
        prices=dict.fromkeys({LEAD_MODEL, MODELS[harness]}, UNIT),
        approvals=approvals or Approvals(),
    )


def environ(server: ModelServer) -> dict[str, str]:
    """The operator's environment."""
    programs = [str(each.parent) for each in NPM.glob("@openai/codex-*/vendor/*/bin/codex")]
    return dict(os.environ) | {
        "PATH": os.pathsep.join([os.environ["PATH"], *programs]),
        "ANTHROPIC_API_KEY": KEY,
        "ANTHROPIC_BASE_URL": server.url,
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": server.openai_url,
    }


@asynccontextmanager
async def staged(
    base: Path, manifest: Manifest, server: ModelServer, given: Mapping[str, str] | None = None
) -> AsyncIterator[Stage]:
    """A run of a manifest, which is suspended at the end if it is not over. given: more of the
    operator's environment."""
    store = SqliteStore(base / "runs")
    live = await start_run(
        store, base / "runs", manifest, "", environ=environ(server) | dict(given or {})
    )
    async with _held(live, server, base / "work") as stage:
        yield stage


@asynccontextmanager
async def resumed(base: Path, run_id: str, server: ModelServer) -> AsyncIterator[Stage]:
    """The same run, owned anew."""
    store = SqliteStore(base / "runs")
    live = await resume_run(store, base / "runs", run_id, environ=environ(server))
    async with _held(live, server, base / "work") as stage:
        yield stage


@asynccontextmanager
async def _held(live: LiveRun, server: ModelServer, work: Path) -> AsyncIterator[Stage]:
    stage = Stage(live, server, work)
    try:
        yield stage
        assert not [*broken(stage.run)]
    finally:
        live.conductor().suspend()
        await asyncio.wait([stage.going], timeout=PATIENCE_SECS)
        await live.close()
