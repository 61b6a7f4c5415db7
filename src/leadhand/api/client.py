"""Client: a folder of runs as a program has it: dispatch, resume, list, and a handle on each."""

import asyncio
import builtins
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from leadhand import freeze, model_wiring, wiring
from leadhand.api import orders, toml
from leadhand.api.handle import RunHandle
from leadhand.api.names import run_named
from leadhand.api.result import Ending, Result
from leadhand.api.standing import Standing, standings
from leadhand.domain.manifest import Manifest
from leadhand.engine import resumption
from leadhand.errors import UsageError
from leadhand.load import Loaded, load, options, parse
from leadhand.load.options import Option
from leadhand.models import scripted
from leadhand.models.scripted import Script
from leadhand.store import Store
from leadhand.tools.function import tools_of

Function = Callable[..., Any]
# A manifest's file, its text (of more than one line), or its tables.
Given = str | os.PathLike[str] | Mapping[str, Any]


def open(  # noqa: A001 (the name that users know: leadhand.open)
    run_dir: str | os.PathLike[str] | None = None,
    *,
    models: Mapping[str, Script] | None = None,
    tools: Iterable[Function] = (),
    environ: Mapping[str, str] | None = None,
) -> "Leadhand":
    """A folder of runs, to be entered: `async with leadhand.open() as lh`.

    run_dir: by default LEADHAND_RUN_DIR, else ~/.leadhand/runs. models: functions that play
    models, by NAME; a manifest names each `script:NAME`. It is given the request and returns, or
    awaits, a Reply or a text; it costs nothing unless the manifest prices it. tools: functions
    that are tools, see `leadhand.tool`. environ: where keys are and what child processes inherit
    of, instead of os.environ. Raises UsageError.

    Leaving it suspends the runs that this process still works on: they stop at once, nothing is
    settled, and `resume` goes on with them. To see a run to its end, await its `result` inside.
    """
    try:
        path = wiring.default_run_dir() if run_dir is None else Path(run_dir).expanduser()
    except RuntimeError as error:
        raise UsageError(f"there is no home folder for the runs: {error}") from error
    scripts = dict(models or {})
    for name, script in scripts.items():
        if not name.isidentifier():
            raise UsageError(f'models: "{name}" is no name: letters, digits and _, as in script:me')
        if not callable(script):
            raise UsageError(f"models: {name} is no function, but {type(script).__name__}")
    return Leadhand(path.absolute(), scripts, tools, os.environ if environ is None else environ)


def run(
    manifest: Given,
    *,
    run_dir: str | os.PathLike[str] | None = None,
    model: str | None = None,
    directory: str | os.PathLike[str] | None = None,
    models: Mapping[str, Script] | None = None,
    tools: Iterable[Function] = (),
    environ: Mapping[str, str] | None = None,
) -> Result:
    """Dispatch a manifest and see it to its end, from a script that is not async.

    See `open` and `Leadhand.dispatch`. Ctrl-C suspends the run, which can be resumed, and raises
    KeyboardInterrupt. Raises ManifestError, UsageError, Refused, StoreError.
    """

    async def dispatched() -> Result:
        async with open(run_dir, models=models, tools=tools, environ=environ) as leadhand:
            begun = await leadhand.dispatch(manifest, model=model, directory=directory)
            return await begun.result()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(dispatched())
    raise UsageError(
        "leadhand.run() is for scripts; where an event loop runs already: "
        "async with leadhand.open() as lh: ..."
    )


class Leadhand:
    """A folder of runs. Made by `leadhand.open`, which says what leaving it does.

    All runs of one process share one pace towards each provider, and those of one Leadhand its
    connections.
    """

    def __init__(
        self,
        run_dir: Path,
        models: Mapping[str, Script],
        tools: Iterable[Function],
        environ: Mapping[str, str],
    ) -> None:
        self.run_dir = run_dir
        self._environ, self._tools = environ, tools_of(tools)
        self._clients = model_wiring.Clients(environ, models)
        self._opened: Store | None = None
        self._left = False
        # Those at work, and those that failed.
        self._handles: dict[str, RunHandle] = {}

    async def __aenter__(self) -> Self:
        if self._opened is not None:
            raise UsageError("it is open already; leadhand.open() once more gives another")
        self._opened = wiring.open_store(self.run_dir)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._left = True
        handles = builtins.list(self._handles.values())
        store = self._store
        try:
            for each in handles:
                each.suspend()
            await see_through([each.task for each in handles if each.task is not None])
        finally:
            try:
                await self._clients.close()
            finally:
                await store.close()
        for each in handles:
            # An error that nobody has seen is not lost with its run.
            if error is None and (failure := each.failure()) is not None:
                raise failure

    async def dispatch(
        self,
        manifest: Given,
        *,
        model: str | None = None,
        directory: str | os.PathLike[str] | None = None,
    ) -> RunHandle:
        """Start a run and work on it in the background of this event loop.

        manifest: the path of its file, its TOML text (of more than one line), or its tables as a
        dict: `{"lead": {"prompt": ..., "model": ...}}`; of a text and a dict, relative paths start
        from the current directory. model: in place of the models that the manifest gives its lead
        and its defaults. directory: in place of the lead's, and of the defaults' where they have
        one.

        Raises ManifestError, whose `faults` has each with file, line, key and mend; Refused where
        a model is not known or has no key or price; UsageError, StoreError.
        """
        names = [each.name for each in self._tools]
        loaded, base = read(manifest, names, changing(model, directory))
        await asyncio.to_thread(freeze.check_schemas, loaded.manifest)
        asked = freeze.with_absolute_scripts(loaded.manifest, base)
        priced = freeze.priced(asked, self._clients.of(asked.providers))
        unpriced = sorted(priced.prices.keys() - asked.prices.keys())
        warnings = [f"the model {name} is unpriced: local" for name in unpriced]
        return await self.start(priced, loaded.text, warnings=[*loaded.warnings, *warnings])

    async def resume(
        self,
        run_id: str,
        *,
        budget_usd: float | None = None,
        max_workers: int | None = None,
        lead_timeout_secs: int | None = None,
        moved: Mapping[str, str | os.PathLike[str]] | None = None,
        fresh_workers: bool = False,
    ) -> RunHandle:
        """Go on with a run that was interrupted, drained or killed, in the background of this
        event loop; of a finished one, its result is there at once.

        run_id: any beginning of an id that no other run shares. budget_usd: US dollars for all of
        it, lead_timeout_secs: from now on; more than it ran out of takes up a run that ended for
        want of it. moved: new places by old ones, absolute paths. fresh_workers: end the live
        workers, and tell the lead which. Raises UsageError where there is no such run, somebody
        works on it, its directories are elsewhere, or one of its own models is not given here;
        Refused where a change does not fit.
        """
        rules = orders.house(budget_usd, max_workers, lead_timeout_secs)
        pairs = tuple((old, str(new)) for old, new in (moved or {}).items())
        changes = orders.changes(rules, pairs, fresh_workers=fresh_workers)
        return await self.take_up(run_id, changes)

    async def take_up(self, run_id: str, changes: Sequence[resumption.Change]) -> RunHandle:
        """Go on with a run, of which something is to be different from now on."""
        store = self._store
        name = run_named(await store.runs(), run_id, self.run_dir)
        live = await wiring.resume_run(
            store,
            self.run_dir,
            name,
            changes=changes,
            clients=self._clients,
            environ=self._environ,
            tools=self._tools,
        )
        return await self._begun(live)

    async def run(self, run_id: str) -> RunHandle:
        """A handle on any run of the folder, whoever works on it.

        run_id: any beginning of an id that no other run shares. Raises UsageError where there is
        no such run.
        """
        name = run_named(await self._store.runs(), run_id, self.run_dir)
        return self._handles.get(name) or RunHandle(self._store, self.run_dir, name)

    async def list(self) -> builtins.list[Standing]:
        """All runs, the latest first; one that cannot be read says why in its `error`."""
        return await standings(self._store, (await self._store.runs())[::-1])

    async def start(
        self,
        manifest: Manifest,
        text: str,
        *,
        models: freeze.Models | None = None,
        warnings: Sequence[str] = (),
    ) -> RunHandle:
        """Start a run of a manifest that is loaded. text: as its run keeps it."""
        live = await wiring.start_run(
            self._store,
            self.run_dir,
            manifest,
            text,
            models=models or self._clients.of(manifest.providers),
            environ=self._environ,
            tools=self._tools,
        )
        return await self._begun(live, warnings)

    async def _begun(self, live: wiring.LiveRun, warnings: Sequence[str] = ()) -> RunHandle:
        if self._left:
            await live.close()
            raise UsageError(f"run {live.run_id} was not begun: its Leadhand was left meanwhile")
        handle = RunHandle(self._store, self.run_dir, live.run_id, live, warnings)
        self._handles[live.run_id] = handle
        handle.begin(self._over)
        return handle

    def _over(self, handle: RunHandle) -> None:
        if handle.failure() is None and self._handles.get(handle.id) is handle:
            del self._handles[handle.id]

    @property
    def _store(self) -> Store:
        if self._opened is None:
            raise UsageError("it is not open: async with leadhand.open() as lh: ...")
        return self._opened


def read(given: Given, tools: Sequence[str], set_: Sequence[Option]) -> tuple[Loaded, Path]:
    """A manifest, and the directory that its relative paths start from. Raises ManifestError,
    UsageError."""
    if isinstance(given, Mapping):
        given = toml.written(given)
    elif not isinstance(given, str | os.PathLike):
        raise UsageError(
            f"expected a manifest's path, text or tables, found {type(given).__name__}"
        )
    elif not (isinstance(given, str) and "\n" in given):
        path = Path(given)
        return load(path, tools=tools, options=set_), path.absolute().parent
    here = Path.cwd()
    return parse(given, "manifest", here, tools=tools, options=set_), here


def changing(model: str | None, directory: str | os.PathLike[str] | None) -> list[Option]:
    """What puts a model and a directory in the place of a manifest's own."""
    found: list[Option] = []
    if model is not None:
        found += options.model(scripted.absolute(model, Path.cwd()))
    if directory is not None:
        found += options.directory(str(directory))
    return found


async def see_through(tasks: Sequence["asyncio.Task[Ending]"]) -> None:
    """Wait until all are done; being cancelled meanwhile cancels them, and still waits."""
    left, cancelled = set(tasks), None
    while left:
        try:
            _, left = await asyncio.wait(left)
        except asyncio.CancelledError as error:
            cancelled = error
            for task in left:
                task.cancel()
            left = {task for task in left if not task.done()}
    if cancelled is not None:
        raise cancelled
