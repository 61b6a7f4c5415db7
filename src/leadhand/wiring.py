"""Wiring: the only file that knows all the plurals, and puts a run together from them."""

import asyncio
import getpass
import os
import secrets as randomness
import socket
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from leadhand.contracts.checker import CheckedHarness, Checker
from leadhand.domain import commands as c
from leadhand.domain.decide import decide
from leadhand.domain.ids import ActorId
from leadhand.domain.manifest import OUTSIDE, HarnessName, Manifest
from leadhand.domain.state import Run
from leadhand.endpoints import mcp_secrets
from leadhand.engine.clock import Clock, SystemClock
from leadhand.engine.conductor import Conductor
from leadhand.engine.courier import Courier
from leadhand.engine.engine import Engine
from leadhand.engine.inbox import Inbox
from leadhand.engine.live import LiveWords
from leadhand.engine.projections import Projections
from leadhand.engine.resumption import Change, orders
from leadhand.errors import UsageError
from leadhand.folder import Folder
from leadhand.freeze import (
    Models,
    check_harnesses,
    check_library,
    check_places,
    models_of,
    notify_secrets,
    placed,
    priced,
    with_environment,
)
from leadhand.gateway.gateway import Gateway
from leadhand.gateway.pace import Governor
from leadhand.harness import Foreign, Harness, Means
from leadhand.harnesses import outside
from leadhand.harnesses.api import ApiHarness
from leadhand.harnesses.chosen import ChosenHarness
from leadhand.harnesses.placed import PlacedHarness
from leadhand.model_wiring import Clients, make_models
from leadhand.processes import Processes
from leadhand.run_blobs import RunBlobs
from leadhand.store import Store
from leadhand.stores.codec import Secrets, secrets_of
from leadhand.tokens import Tokens
from leadhand.tool import Tool
from leadhand.tools.call import Toolbox
from leadhand.tools.finish import finish_tool
from leadhand.tools.function import missing
from leadhand.tools.gate import gate
from leadhand.tools.orchestration import orchestration
from leadhand.tools.work.table import WORK_TOOLS
from leadhand.tools.work.web_fetch import Get, web_fetch_tool
from leadhand.workspace import Workspaces
from leadhand.workspaces.worktree import Worktrees

if TYPE_CHECKING:
    from leadhand.gateway.door import ModelDoor
    from leadhand.mcp.desk import Desk
    from leadhand.mcp.http import HttpDoors

NO_MCP = "that takes the MCP library: pip install 'leadhand[mcp]'"
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def new_run_id() -> str:
    """An id for a run: ten letters and digits that nobody mistakes for each other."""
    return "".join(randomness.choice(ALPHABET) for _ in range(10))


def who() -> str:
    """This user on this machine, for people; a store adds the process where it needs to."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"user {os.getuid()}"
    return f"{user} on {socket.gethostname()}"


def default_run_dir() -> Path:
    """The folder of runs: LEADHAND_RUN_DIR, else ~/.leadhand/runs."""
    return Path(os.environ.get("LEADHAND_RUN_DIR") or Path.home() / ".leadhand" / "runs")


def governor() -> Governor:
    """The one pace of this process, for all its runs; those of another thread's event loop would
    have to be woken across threads, so each thread has its own."""
    return _governor_of(threading.get_ident())


@cache
def _governor_of(thread: int) -> Governor:
    return Governor()


def open_store(run_dir: Path) -> Store:
    """The store of the runs in a folder."""
    from leadhand.stores.sqlite import SqliteStore

    return SqliteStore(run_dir)


def web_get() -> Get:
    """The road of WebFetch to the web, whose library is loaded when it is first taken."""
    from leadhand.tools.work.web_get import Web

    return Web().get


class LiveRun:
    """A run that this process owns. Made by `start_run` or `resume_run`.

    tools: the work tools that the program brings along.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        folder: Folder,
        models: Models,
        environ: Mapping[str, str],
        tools: Sequence[Tool] = (),
    ) -> None:
        self.store, self.run_id, self.folder = store, run_id, folder
        self.models, self._environ, self._own_tools = models, environ, tools
        self.secrets = Secrets(secrets_of(environ))
        self.processes = Processes(run_id, folder.path)
        self.workspaces: Workspaces = Worktrees(run_id, folder, self.processes, environ)
        self.presence = outside.Presence()
        self.complaint = ""
        self._desk: Desk | None = None
        self._doors: HttpDoors | None = None
        self._model_door: ModelDoor | None = None
        self.tokens = Tokens()
        self._foreign = Foreign()

    async def open(self, clock: Clock) -> None:
        """Own the run and fold its log. Raises UsageError where another process owns it."""
        self.engine = await Engine.open(self.store, self.run_id, clock, who(), self.secrets)

    async def go(self) -> bool:
        """Work until the run is finished (True) or suspended (False)."""
        await self.processes.adopt()
        blobs = RunBlobs(self.store, self.run_id, self.secrets)
        projections = Projections(self.engine, self.folder, blobs)
        await projections.start()
        courier = self._courier()
        if courier is not None:
            courier.start()
        inbox = Inbox(self.engine, self.store, self.run_id)
        letters = asyncio.create_task(inbox.run(), name="inbox")
        try:
            return await self.conductor().run()
        finally:
            letters.cancel()
            await asyncio.gather(letters, return_exceptions=True)
            await self._close_doors()
            await self._foreign.close()
            await self.processes.close()
            if courier is not None:
                await courier.close()
            await projections.close()
            self.complaint = projections.complaint

    def conductor(self) -> Conductor:
        """The conductor of this run; the same one each time."""
        if not hasattr(self, "_conductor"):
            checker = self._checks = self._checker()
            checked = CheckedHarness(self.engine, checker, self._harness(checker))
            placed = PlacedHarness(self.engine, self.workspaces, checked)
            self._conductor = Conductor(
                self.engine, placed.run, placed.tidy, self._still, checker.check
            )
        return self._conductor

    def desk(self, patience_secs: int | None = None) -> "Desk":
        """Where sessions outside this process call tools; the same one each time."""
        if self._desk is None:
            from leadhand.mcp.desk import Desk

            self.conductor()
            self._desk = Desk(self._means, patience_secs)
            if isinstance(self._led, outside.OutsideHarness):
                self._led.end = self._desk.end
        return self._desk

    def doors(self, patience_secs: int | None = None) -> "HttpDoors":
        """The doors of this run over HTTP; the same ones each time. Raises UsageError."""
        if self._doors is None:
            try:
                from leadhand.mcp.http import HttpDoors
            except ImportError as error:
                raise UsageError(NO_MCP) from error
            self._doors = HttpDoors(
                self.desk(patience_secs), self.secrets, self.presence.seen, tokens=self.tokens
            )
        return self._doors

    def model_door(self) -> "ModelDoor":
        """The models of this run over HTTP, for whoever has a token; the same one each time."""
        if self._model_door is None:
            from leadhand.gateway.door import ModelDoor

            self.conductor()
            self.secrets.expect_tokens()
            means, pace = self._means, Gateway(self.engine, self.models, governor())
            self._model_door = ModelDoor(
                self.engine, pace, self.models, means.toolbox, self.tokens, means.words
            )
        return self._model_door

    async def _close_doors(self) -> None:
        if self._desk is not None:
            await self._desk.leave()
        if self._model_door is not None:
            await self._model_door.stop()
        if self._doors is not None:
            await self._doors.stop()

    def learn(self, manifest: Manifest) -> None:
        """Keep out of the run what the variables of its sinks and MCP servers stand for."""
        self.secrets.learn(notify_secrets(manifest, self._environ))
        self.secrets.learn(mcp_secrets(manifest, self._environ))

    def _courier(self) -> Courier | None:
        """What tells the run's sinks, where it has any; then HTTP is loaded."""
        manifest = self.engine.run.manifest
        if manifest is None or not manifest.notifications:
            return None
        from leadhand.telling import Sinks

        sinks = Sinks(manifest, self._environ, self.folder)
        return Courier(self.engine, sinks, self.secrets.clean_struct)

    async def _still(self, actor: ActorId, frozen: bool) -> None:
        await (self.processes.freeze(actor) if frozen else self.processes.thaw(actor))

    def _checker(self) -> Checker:
        folder = self.folder
        return Checker(self.engine, self.processes, self._environ, folder.worktrees, folder.status)

    def _harness(self, checker: Checker) -> Harness:
        engine = self.engine
        tools = [
            *WORK_TOOLS,
            web_fetch_tool(web_get),
            *orchestration(engine, self.folder, self.workspaces, checker.judge),
            *self._own_tools,
        ]
        manifest = engine.run.manifest
        led_outside = manifest is not None and manifest.lead.settings.model == OUTSIDE
        if manifest is not None:
            tools += missing(manifest.tools, self._own_tools)
        if led_outside:
            tools.append(finish_tool(engine))
        toolbox = Toolbox(tools, gate(engine), checker.after)
        self._foreign = self._servers(toolbox)
        self._means = Means(
            owner=engine,
            gateway=Gateway(engine, self.models, governor()),
            toolbox=toolbox,
            blobs=RunBlobs(self.store, self.run_id, self.secrets),
            processes=self.processes,
            environment=dict(self._environ),
            transcripts=self.folder.transcripts,
            words=LiveWords(engine.run, self.folder, self.secrets),
            worktrees=self.folder.worktrees,
            foreign=self._foreign,
        )
        self._led: Harness = ChosenHarness(engine, self._kind)
        if led_outside:
            self._led = outside.OutsideHarness(engine, self.presence, self._led)
        return self._led

    def _kind(self, name: HarnessName) -> Harness:
        """The harness of a name. Raises UsageError where what it takes is not installed."""
        if name == "api":
            return ApiHarness(self._means)
        from leadhand.agent_wiring import AgentDoors, agent_harness

        tools = self.doors() if name == "claude-code" else None
        doors = AgentDoors(self.model_door(), self.tokens, self.desk(), tools)
        return agent_harness(name, self._means, doors, self.desk(), self._checks.after, self.folder)

    def _servers(self, toolbox: Toolbox) -> Foreign:
        """Other people's servers of tools, where the run has any; then their library is loaded."""
        manifest = self.engine.run.manifest
        if manifest is None or not manifest.mcp_servers:
            return Foreign()
        from leadhand.mcp.roads import road_to
        from leadhand.mcp.servers import Servers

        road = road_to(self.processes, self._environ)
        return Servers(manifest.mcp_servers, road, toolbox.add, self.engine.submit)

    async def close(self) -> None:
        """Give the run back."""
        await self.engine.close()


async def start_run(
    store: Store,
    run_dir: Path,
    manifest: Manifest,
    text: str,
    *,
    models: Models | None = None,
    clock: Clock | None = None,
    environ: Mapping[str, str] = os.environ,
    tools: Sequence[Tool] = (),
) -> LiveRun:
    """Make a run of a manifest and own it; `go` sets it to work.

    tools: what the program brings along, whose names the manifest holds. Raises Refused
    (UnknownModel) before anything is made where a model is not known.
    """
    check_library(manifest)
    models = models or make_models(environ, manifest.providers)
    manifest = priced(with_environment(manifest, environ), models)
    check_harnesses(manifest, models, environ.get("PATH"))
    run_id, clock = new_run_id(), clock or SystemClock()
    # What is refused is refused before the run is there: a model that has no price.
    decide(Run(), c.StartRun(run_id, manifest), clock.now())
    live = LiveRun(store, run_id, Folder(run_dir / run_id), models, environ, tools)
    live.learn(manifest)
    manifest = await placed(manifest, live.workspaces)
    await store.create(run_id, live.secrets.clean(text))
    await live.open(clock)
    try:
        await live.engine.submit(c.OwnRun(live.engine.epoch, who()))
        await live.engine.submit(c.StartRun(run_id, manifest))
    except BaseException:
        await live.close()
        raise
    return live


async def resume_run(
    store: Store,
    run_dir: Path,
    run_id: str,
    *,
    changes: Sequence[Change] = (),
    models: Models | None = None,
    clients: Clients | None = None,
    clock: Clock | None = None,
    environ: Mapping[str, str] = os.environ,
    tools: Sequence[Tool] = (),
) -> LiveRun:
    """Own a run that has no owner; `go` continues it, and completes the files of a finished one.

    changes: what is to be different from now on. Raises UsageError where another process owns it,
    it never began or its directories are not here, Refused where a change does not fit, and what
    `models` raises for one of its models: all before the run is touched.
    """
    clients = clients or Clients(environ)
    given = models or clients.of({})
    live = LiveRun(store, run_id, Folder(run_dir / run_id), given, environ, tools)
    await live.open(clock or SystemClock())
    try:
        run = live.engine.run
        if run.manifest is None:
            raise UsageError(
                f"run {run_id} never began: the process that made it ended before. "
                f"Dispatch its manifest again: {live.folder.manifest}"
            )
        check_library(run.manifest)
        live.learn(run.manifest)
        own = c.OwnRun(live.engine.epoch, who())
        commands, then = orders(run, own, changes, live.engine.now())
        assert then.manifest is not None
        live.models = models or clients.of(then.manifest.providers)
        if commands:
            check_places(then)
            for name in models_of(then.manifest):
                live.models(name)
            governor().reopen()
        for command in commands:
            await live.engine.submit(command)
    except BaseException:
        await live.close()
        raise
    return live
