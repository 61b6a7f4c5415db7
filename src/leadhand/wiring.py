"""Wiring: the only file that knows all the plurals, and puts a run together from them."""

import asyncio
import getpass
import os
import secrets as randomness
import socket
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import msgspec

from leadhand.domain import commands as c
from leadhand.domain.ids import ActorId
from leadhand.domain.manifest import Manifest, Settings
from leadhand.domain.rules.run import over, reopenable
from leadhand.engine.clock import Clock, SystemClock
from leadhand.engine.conductor import Conductor
from leadhand.engine.engine import Engine
from leadhand.engine.inbox import Inbox
from leadhand.engine.projections import Projections
from leadhand.errors import UnknownModel, UsageError
from leadhand.folder import Folder
from leadhand.gateway.gateway import Gateway
from leadhand.gateway.pace import Governor
from leadhand.harnesses.api import ApiHarness, Words
from leadhand.model import Model
from leadhand.models import names, scripted
from leadhand.processes import Processes
from leadhand.store import Store
from leadhand.stores.codec import Secrets, secrets_of
from leadhand.tools.call import Toolbox
from leadhand.tools.spawn import spawn_tool
from leadhand.tools.wait import wait_tools
from leadhand.tools.work.table import WORK_TOOLS
from leadhand.tools.work.web_fetch import Get, web_fetch_tool
from leadhand.tools.workers import worker_tools

ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
Models = Callable[[str], Model]


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


@cache
def governor() -> Governor:
    """The one pace of this process, for all its runs."""
    return Governor()


def open_store(run_dir: Path) -> Store:
    """The store of the runs in a folder."""
    from leadhand.stores.sqlite import SqliteStore

    return SqliteStore(run_dir)


def with_absolute_scripts(manifest: Manifest, base: Path) -> Manifest:
    """The manifest with the files of its scripted models made absolute."""

    def fixed(settings: Settings) -> Settings:
        if settings.model is None:
            return settings
        return msgspec.structs.replace(settings, model=scripted.absolute(settings.model, base))

    lead = msgspec.structs.replace(manifest.lead, settings=fixed(manifest.lead.settings))
    agents = {
        name: msgspec.structs.replace(agent, settings=fixed(agent.settings))
        for name, agent in manifest.agents.items()
    }
    prices = {scripted.absolute(name, base): price for name, price in manifest.prices.items()}
    return msgspec.structs.replace(
        manifest, lead=lead, defaults=fixed(manifest.defaults), agents=agents, prices=prices
    )


def make_models(
    environ: Mapping[str, str] = os.environ, base_urls: Mapping[str, str] | None = None
) -> Models:
    """Gives each named model, made once. Raises UnknownModel, UsageError.

    environ: where the keys are, and the vendors' variables for base URLs; base_urls: by provider,
    before those. A provider is made, and its library loaded, when its first model is asked for.
    """
    made: dict[str, Model] = {}

    def model(name: str) -> Model:
        if name.startswith(scripted.PREFIX):
            if name not in made:
                made[name] = scripted.load(name)
            return made[name]
        provider, _ = names.split(name)
        if provider not in made:
            made[provider] = client(provider, name, environ, base_urls or {})
        return made[provider]

    return model


def client(
    provider: str, name: str, environ: Mapping[str, str], base_urls: Mapping[str, str]
) -> Model:
    """The client of a provider. name: the model it is wanted for.

    Raises UnknownModel where its key is missing, UsageError where its base URL is none.
    """
    from leadhand.models import anthropic, openai, openai_responses
    from leadhand.models.http import Http

    vendor = "ANTHROPIC" if provider == "anthropic" else "OPENAI"
    url = base_urls.get(provider) or environ.get(f"{vendor}_BASE_URL") or ""
    key = environ.get(f"{vendor}_API_KEY", "").strip()
    token = environ.get("ANTHROPIC_AUTH_TOKEN", "").strip() if provider == "anthropic" else ""
    # A server of the operator's own may need no key.
    if not (url or key or token):
        raise UnknownModel(
            f'the model "{name}" cannot be used: {vendor}_API_KEY is not set',
            f"The operator can set {vendor}_API_KEY; or use a model of another provider.",
        )
    if provider == "anthropic":
        server = anthropic.server(url or "https://api.anthropic.com", key, token)
        return anthropic.AnthropicModel(Http(), server)
    server = openai.server(url or "https://api.openai.com/v1", key)
    if provider == "openai":
        return openai_responses.OpenAiModel(Http(), server)
    return openai.OpenAiChatModel(Http(), server)


def models_of(manifest: Manifest) -> list[str]:
    """The models that a manifest names."""
    every = [manifest.lead.settings, manifest.defaults]
    every += [agent.settings for agent in manifest.agents.values()]
    return list(dict.fromkeys(settings.model for settings in every if settings.model))


def web_get() -> Get:
    """The road of WebFetch to the web, whose library is loaded when it is first taken."""
    from leadhand.tools.work.web_get import Web

    return Web().get


class RunBlobs:
    """The blobs of one run, as tools use them; secrets do not get in."""

    def __init__(self, store: Store, run_id: str, secrets: Secrets) -> None:
        self._store, self._run_id, self._secrets = store, run_id, secrets

    async def put(self, data: bytes) -> str:
        """See `tool.Blobs.put`."""
        clean = self._secrets.clean_bytes(data)
        return "blob:" + await self._store.put_blob(self._run_id, clean)

    async def get(self, pointer: str) -> bytes:
        """See `tool.Blobs.get`."""
        return await self._store.get_blob(self._run_id, pointer.removeprefix("blob:"))


class FileWords(Words):
    """Keeps the words of the turn that is not over in live/<actor>.txt, unsynced."""

    def __init__(self, folder: Folder, secrets: Secrets) -> None:
        self._folder, self._secrets = folder, secrets

    def begin(self, actor: ActorId) -> Callable[[str], None]:
        """See `Words.begin`."""
        path = self._folder.words(actor)
        path.unlink(missing_ok=True)

        def write(text: str) -> None:
            if text:
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
                with os.fdopen(os.open(path, flags, 0o600), "a", encoding="utf-8") as file:
                    file.write(self._secrets.clean(text))

        return write


class LiveRun:
    """A run that this process owns. Made by `start_run` or `resume_run`."""

    def __init__(
        self, store: Store, run_id: str, folder: Folder, models: Models, environ: Mapping[str, str]
    ) -> None:
        self.store, self.run_id, self.folder = store, run_id, folder
        self._models, self._environ = models, environ
        self.secrets = Secrets(secrets_of(environ))
        self.processes = Processes(run_id, folder.path)
        self.complaint = ""

    async def open(self, clock: Clock) -> None:
        """Own the run and fold its log. Raises UsageError where another process owns it."""
        self.engine = await Engine.open(self.store, self.run_id, clock, who(), self.secrets)

    async def go(self) -> bool:
        """Work until the run is finished (True) or suspended (False)."""
        await self.processes.adopt()
        projections = Projections(self.engine, self.folder)
        await projections.start()
        inbox = Inbox(self.engine, self.store, self.run_id)
        letters = asyncio.create_task(inbox.run(), name="inbox")
        try:
            return await self.conductor().run()
        finally:
            letters.cancel()
            await asyncio.gather(letters, return_exceptions=True)
            await self.processes.close()
            await projections.close()
            self.complaint = projections.complaint

    def conductor(self) -> Conductor:
        """The conductor of this run; the same one each time."""
        if not hasattr(self, "_conductor"):
            self._conductor = Conductor(self.engine, self._harness().run)
        return self._conductor

    def _harness(self) -> ApiHarness:
        engine = self.engine
        tools = [*WORK_TOOLS, web_fetch_tool(web_get), spawn_tool(engine, self.folder)]
        tools += [*wait_tools(engine), *worker_tools(engine)]
        return ApiHarness(
            owner=engine,
            gateway=Gateway(engine, self._models, governor()),
            toolbox=Toolbox(tools),
            blobs=RunBlobs(self.store, self.run_id, self.secrets),
            processes=self.processes,
            environment=dict(self._environ),
            transcripts=self.folder.transcripts,
            words=FileWords(self.folder, self.secrets),
        )

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
) -> LiveRun:
    """Make a run of a manifest and own it; `go` sets it to work.

    Raises Refused (UnknownModel) before anything is made where a model is not known.
    """
    models = models or make_models(environ)
    for name in models_of(manifest):
        models(name)
    run_id = new_run_id()
    live = LiveRun(store, run_id, Folder(run_dir / run_id), models, environ)
    await store.create(run_id, live.secrets.clean(text))
    await live.open(clock or SystemClock())
    await live.engine.submit(c.OwnRun(live.engine.epoch, who()))
    await live.engine.submit(c.StartRun(run_id, manifest))
    return live


async def resume_run(
    store: Store,
    run_dir: Path,
    run_id: str,
    *,
    models: Models | None = None,
    clock: Clock | None = None,
    environ: Mapping[str, str] = os.environ,
) -> LiveRun:
    """Own a run that has no owner; `go` continues it, and completes the files of a finished one.

    Raises UsageError where another process owns it or it never began, and, before it is touched,
    what `models` raises for one of its models.
    """
    models = models or make_models(environ)
    live = LiveRun(store, run_id, Folder(run_dir / run_id), models, environ)
    await live.open(clock or SystemClock())
    try:
        run = live.engine.run
        if run.manifest is None:
            raise UsageError(
                f"run {run_id} never began: the process that made it ended before. "
                f"Dispatch its manifest again: {live.folder.manifest}"
            )
        if not over(run) or reopenable(run):
            for name in models_of(run.manifest):
                models(name)
            await live.engine.submit(c.OwnRun(live.engine.epoch, who()))
        if reopenable(run):
            await live.engine.submit(c.ReopenRun())
    except BaseException:
        await live.close()
        raise
    return live
