"""Options: what several verbs take."""

import glob
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from leadhand import api, wiring
from leadhand.api.names import resume_command

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
subtree_option = click.option("--subtree", is_flag=True, help="The actor and all below it.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def run_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The ids that a shell may complete: of the folder of runs, nothing but names being read."""
    run_dir = Path(ctx.params.get("run_dir") or wiring.default_run_dir())
    try:
        return sorted(
            each.parent.name for each in run_dir.glob(f"{glob.escape(incomplete)}*/run.db")
        )
    except (OSError, ValueError):
        return []


run_argument = click.argument("run", metavar="RUN", shell_complete=run_ids)

approval_argument = click.argument("approval", metavar="APPROVAL")


async def with_run(run_dir: Path, name: str, work: Callable[[api.RunHandle], Awaitable[T]]) -> T:
    """Find the run that a name means, and work on it."""
    async with api.open(run_dir) as leadhand:
        return await work(await leadhand.run(name))


def told(deed: str, found: api.Steered, run_id: str, run_dir: Path) -> str:
    """What came of an order."""
    if found.by_owner:
        return f"{deed} {found.what}."
    then = resume_command(run_id, run_dir)
    return f"{deed} {found.what}. Nobody runs the run: it shows at `{then}`."
