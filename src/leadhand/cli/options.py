"""Options: what several verbs take, and how the user's words for runs and actors are read."""

import difflib
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import click

from leadhand import wiring
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.rules.actor import find
from leadhand.domain.state import Run
from leadhand.errors import UnknownActor, UsageError
from leadhand.store import Store
from leadhand.views.words import line, listed

SHOWN_MAX = 8

T = TypeVar("T")


def _run_dir(ctx: click.Context, param: click.Parameter, value: str | None) -> Path:
    if value == "":
        raise click.BadParameter("expected the path of a folder")
    try:
        path = Path(value).expanduser() if value else wiring.default_run_dir()
        return path.absolute()
    except RuntimeError as error:
        raise click.BadParameter(f"there is no home folder to put it in: {error}") from error


run_dir_option = click.option(
    "--run-dir",
    envvar="LEADHAND_RUN_DIR",
    metavar="DIR",
    callback=_run_dir,
    help="The folder of the runs. [LEADHAND_RUN_DIR, else ~/.leadhand/runs]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
run_argument = click.argument("run", metavar="RUN")


@asynccontextmanager
async def opened(run_dir: Path) -> AsyncIterator[Store]:
    """The store of a folder of runs, closed at the end."""
    store = wiring.open_store(run_dir)
    try:
        yield store
    finally:
        await store.close()


async def with_run(run_dir: Path, name: str, work: Callable[[Store, str], Awaitable[T]]) -> T:
    """Open the store, find the run that a name means, and work on it."""
    async with opened(run_dir) as store:
        return await work(store, run_named(await store.runs(), name, run_dir))


def run_named(runs: list[str], name: str, run_dir: Path) -> str:
    """The run that begins with `name`. Raises UsageError, with the candidates."""
    found = [name] if name in runs else [each for each in runs if name and each.startswith(name)]
    if len(found) == 1:
        return found[0]
    asked = f'"{line(name, 80)}"'
    if found:
        raise UsageError(
            f"{asked} begins the ids of {len(found)} runs: {listed(found[::-1], SHOWN_MAX)}. "
            "Give more of the id"
        )
    if not runs:
        raise UsageError(f"no run begins with {asked}: there is none in {run_dir}")
    raise UsageError(
        f"no run begins with {asked} in {run_dir}. The latest: {listed(runs[::-1], SHOWN_MAX)}"
    )


def actor_named(run: Run, name: str) -> ActorId:
    """The actor that a path, a last step (W3) or a label means. Raises UsageError."""
    try:
        return find(run, name, ROOT)
    except UnknownActor as error:
        actors = [*run.actors, *run.records]
        near = difflib.get_close_matches(name, actors, SHOWN_MAX, 0.5) or actors
        there = f"It has {listed(near, SHOWN_MAX)}" if actors else "It has none yet"
        raise UsageError(f"{error.message} in run {run.id}. {there}") from error


def resume_command(run_id: str, run_dir: Path) -> str:
    """The command that continues a run."""
    return command_on("resume", run_id, run_dir)


def command_on(verb: str, run_id: str, run_dir: Path) -> str:
    """A command on a run, as it can be typed here."""
    words = ["leadhand", verb, run_id]
    if run_dir != wiring.default_run_dir().absolute():
        words += ["--run-dir", str(run_dir)]
    return shlex.join(words)
