"""Prune: removes the folders of finished runs; shows first which, and says why others stay."""

import asyncio
import re
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click
from msgspec import Struct
from msgspec.structs import replace

from leadhand import wiring
from leadhand.api.names import resume_command, run_named
from leadhand.api.standing import Standing, standings
from leadhand.cli.options import json_option, run_dir_option
from leadhand.cli.paper import faint, heading, print_json, say, state, table
from leadhand.errors import StoreError
from leadhand.folder import Folder
from leadhand.store import Store
from leadhand.views.words import counted, line, span

COLUMNS = ("RUN", "STATUS", "AGE", "SIZE", "")
NUMBERS = (2, 3)
UNITS_SECS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"([0-9]{1,6})([smhdw])")


class Pruned(Struct, frozen=True):
    """What becomes of a run. age_secs: since it finished, else since it began; null where nobody
    knows. removed: whether it is gone. kept: why it stays; empty where it goes, or would."""

    run_id: str
    status: str
    age_secs: int | None
    size_bytes: int
    removed: bool = False
    kept: str = ""


def _older_than(ctx: click.Context, param: click.Parameter, value: str | None) -> int:
    """A span in seconds."""
    found = _SPAN.fullmatch(value) if value is not None else None
    if value is not None and found is None:
        raise click.BadParameter("expected a number and s, m, h, d or w, such as 30d")
    return int(found[1]) * UNITS_SECS[found[2]] if found else 0


@click.command("prune")
@click.option("--apply", is_flag=True, help="Remove them; without it nothing is.")
@click.option(
    "--older-than",
    callback=_older_than,
    metavar="SPAN",
    help="Only runs that finished so long ago: 30d, 12h.",
)
@click.option(
    "--run", "names", multiple=True, metavar="RUN", help="Only this run, finished or not."
)
@run_dir_option
@json_option
def command(
    apply: bool, older_than: int, names: tuple[str, ...], run_dir: Path, as_json: bool
) -> int:
    """Remove the folders of finished runs, after showing which.

    Without --apply nothing is removed. A run that could go on stays unless --run names it; one
    that is being run, or that still holds worktrees of its actors, stays in any case.
    """
    found = asyncio.run(pruned(run_dir, names, older_than, apply=apply))
    if as_json:
        print_json(found)
    else:
        show(found, run_dir, apply=apply)
    return int(any(each.kept.startswith("failed") for each in found))


async def pruned(
    run_dir: Path, names: Sequence[str], older_secs: int, *, apply: bool
) -> list[Pruned]:
    """What becomes of each run, the latest first. Raises UsageError."""
    store = wiring.open_store(run_dir)
    try:
        runs = await store.runs()
        named = [run_named(runs, each, run_dir) for each in names]
        found = await standings(store, list(dict.fromkeys(named)) or runs[::-1])
        now = time.time()
        every = []
        for each in found:
            size = await asyncio.to_thread(size_of, run_dir / each.run_id)
            age = age_of(each, now)
            why = stays(each, age, older_secs, run_dir, named=bool(named))
            why = why or await asyncio.to_thread(work_in, Folder(run_dir / each.run_id))
            every.append(Pruned(each.run_id, each.status, age, size, kept=why))
        return [await remove(store, each) for each in every] if apply else every
    finally:
        await store.close()


def stays(run: Standing, age: int | None, older_secs: int, run_dir: Path, *, named: bool) -> str:
    """Why a run stays; empty where it may go."""
    if run.owner:
        return f"run by {line(run.owner)}"
    if named:
        return ""
    if run.status == "unreadable":
        return f"it cannot be read, so nobody knows: {line(run.error, 120)}"
    if run.resumable:
        return f"could go on: {resume_command(run.run_id, run_dir)}"
    if run.finished_at is None:
        return "it never finished"
    if age is not None and age < older_secs:
        return f"finished less than {span(older_secs * 1000)} ago"
    return ""


def work_in(folder: Folder) -> str:
    """Why a folder with worktrees stays: what they hold may be nowhere else; empty without any."""
    try:
        left = sorted(folder.worktrees.iterdir())
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{folder.worktrees} cannot be read: {error.strerror}"
    if not left:
        return ""
    return (
        f"holds {counted(len(left), 'worktree')}, as {line(str(left[0]), 500)}: take over the work "
        "and `git worktree remove` them"
    )


async def remove(store: Store, run: Pruned) -> Pruned:
    """Remove a run that does not stay."""
    if run.kept:
        return run
    try:
        await store.remove(run.run_id)
    except StoreError as error:
        return replace(run, kept=f"failed: {error.message}")
    return replace(run, removed=True)


def age_of(run: Standing, now: float) -> int | None:
    """Seconds since a run finished, else since it began."""
    since = run.finished_at or run.started_at
    return None if since is None else max(0, int(now - datetime.fromisoformat(since).timestamp()))


def size_of(folder: Path) -> int:
    """The bytes of all files of a folder, links not followed."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except OSError:
            continue
    return total


def show(found: list[Pruned], run_dir: Path, *, apply: bool) -> None:
    """The runs as a table, and what it comes to."""
    if not found:
        say(f"There is no run in {run_dir}.")
        return
    for text in table([tuple(map(heading, COLUMNS)), *map(row, found)], NUMBERS):
        say(text)
    gone = [each for each in found if not each.kept]
    size = amount(sum(each.size_bytes for each in gone))
    if apply:
        say(faint(f"{counted(len(gone), 'run')} removed, {size}."))
    elif gone:
        say(faint(f"{counted(len(gone), 'run')}, {size}: --apply removes them."))
    else:
        say(faint("Nothing would be removed."))


def row(run: Pruned) -> tuple[str, ...]:
    """A run as a row."""
    what = "removed" if run.removed else f"stays: {run.kept}" if run.kept else "would be removed"
    age = "" if run.age_secs is None else span(run.age_secs * 1000)
    return (run.run_id, state(run.status), age, amount(run.size_bytes), what)


def amount(size: int) -> str:
    """Bytes for people."""
    for unit, step in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= step:
            return f"{size / step:.1f} {unit}"
    return f"{size} B"
