"""Resume: goes on with a run where its log ends; of a finished one, tells what it came to."""

from decimal import Decimal
from pathlib import Path

import click

from leadhand import api
from leadhand.api import orders
from leadhand.cli.drive import drive, quiet_option
from leadhand.cli.options import json_option, run_argument, run_dir_option
from leadhand.domain import commands as c
from leadhand.domain.manifest import OUTSIDE
from leadhand.domain.money import from_usd
from leadhand.domain.places import Pairs
from leadhand.domain.rules.run import over
from leadhand.domain.state import Run
from leadhand.errors import UsageError
from leadhand.load.settings import TIMEOUT_MAX_SECS, WORKERS_MAX
from leadhand.views.words import line


def _usd(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """An amount of dollars in nano-dollars."""
    if value is None:
        return None
    try:
        amount = from_usd(Decimal(value))
    except (ArithmeticError, ValueError):
        amount = 0
    if not amount:
        raise click.BadParameter(
            f'expected more than 0 US dollars and below a billion, found "{line(value)}"'
        )
    return amount


def _pairs(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> Pairs:
    """Each old path with the new one, which must be there."""
    found: dict[str, str] = {}
    for value in values:
        old, equals, new = value.partition("=")
        if not (old and equals and new):
            raise click.BadParameter(f'expected OLD=NEW, found "{line(value)}"')
        old = str(Path(old))
        if not Path(old).is_absolute():
            raise click.BadParameter(f'the old path "{line(old)}" is not absolute')
        try:
            path = Path(new).expanduser().resolve()
        except (OSError, RuntimeError) as error:
            raise click.BadParameter(f'"{line(new)}" cannot be resolved: {error}') from error
        if not path.exists():
            raise click.BadParameter(f'there is no "{line(str(path))}"')
        if found.setdefault(old, str(path)) != str(path):
            raise click.BadParameter(f'"{line(old)}" is given two new places')
    return tuple(found.items())


@click.command("resume")
@run_argument
@click.option(
    "--budget-usd",
    metavar="AMOUNT",
    callback=_usd,
    help="Let the whole run cost at most this, what it has spent included.",
)
@click.option(
    "--max-workers",
    type=click.IntRange(1, WORKERS_MAX),
    metavar="N",
    help="Let at most N workers live at a time; none is ended, but new ones wait.",
)
@click.option(
    "--lead-timeout-secs",
    type=click.IntRange(1, TIMEOUT_MAX_SECS),
    metavar="SECS",
    help="Give the lead so much time from now on.",
)
@click.option(
    "--fresh-workers",
    is_flag=True,
    help="Go on with the lead alone: end every worker, and tell the lead which it lost.",
)
@click.option(
    "--map",
    "pairs",
    multiple=True,
    metavar="OLD=NEW",
    callback=_pairs,
    help="What lay in OLD lies in NEW now: a directory of the run, or a script. Repeatable.",
)
@run_dir_option
@json_option
@quiet_option
def command(
    run: str,
    budget_usd: int | None,
    max_workers: int | None,
    lead_timeout_secs: int | None,
    fresh_workers: bool,
    pairs: Pairs,
    run_dir: Path,
    as_json: bool,
    quiet: bool,
) -> int:
    """Continue a run that was interrupted, drained, or ran out of budget or time.

    Every actor goes on in mid-conversation, and nothing is paid twice. A run that ended for want
    of budget or time is taken up again with more of it; any other finished run prints its result
    again. What is changed here holds from now on.
    """
    rules = c.ChangeHouse(budget_usd, max_workers, lead_timeout_secs)
    changes = orders.changes(rules, pairs, fresh_workers=fresh_workers)

    async def begin(leadhand: api.Leadhand) -> api.RunHandle:
        found = await leadhand.take_up(run, changes)
        assert found.live is not None
        state = found.live.engine.run
        if led_outside(state) and not over(state):
            raise UsageError(
                f"run {found.id} is led by an MCP client: `leadhand mcp --resume {found.id}` goes "
                "on with it. What was to be changed holds then"
            )
        return found

    return drive(run_dir, begin, as_json=as_json, quiet=quiet)


def led_outside(run: Run) -> bool:
    """Whether no model of ours leads a run."""
    return run.manifest is not None and run.manifest.lead.settings.model == OUTSIDE
