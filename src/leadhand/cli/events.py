"""Events: what happened in a run, one line each, as far as it goes or as it goes on."""

import asyncio
from pathlib import Path

import click
import msgspec

from leadhand.api import RunHandle
from leadhand.api.names import actor_named
from leadhand.api.standing import standing
from leadhand.cli.options import json_option, run_argument, run_dir_option, with_run
from leadhand.cli.paper import faint, flush, local, print_bytes, say
from leadhand.engine import log
from leadhand.store import Store
from leadhand.views import timeline

WATCH_SECS = 1.0

_encoder = msgspec.json.Encoder()


@click.command("events")
@run_argument
@click.option("--follow", "-f", is_flag=True, help="Go on until the run is over.")
@click.option("--actor", metavar="ACTOR", help="Only of this actor: root/W3, W3 or its label.")
@run_dir_option
@json_option
def command(run: str, follow: bool, actor: str | None, run_dir: Path, as_json: bool) -> None:
    """What happened in a run, event by event.

    With --json, one object a line: seq, at, run_ms, actor, type, and the fields of the event.
    """

    async def told(one: RunHandle) -> None:
        store, run_id = one.store, one.id
        only = actor_named(await log.fold(store, run_id), actor) if actor else None
        last = 0
        while True:
            # Asked first: what is written between the look and the reading is still read.
            over = not follow or await ended(store, run_id)
            last = await tell(store, run_id, last, only, as_json)
            if over:
                return
            await store.watch(run_id, last, WATCH_SECS)

    asyncio.run(with_run(run_dir, run, told))


async def ended(store: Store, run_id: str) -> bool:
    """Whether nothing more will come: the run is over and nobody owns it."""
    now = await standing(store, run_id)
    return not now.owner and now.finished_at is not None


async def tell(store: Store, run_id: str, after: int, actor: str | None, as_json: bool) -> int:
    """Print the events with seq > after, of one actor or all; the last seq that was seen."""
    page: list[bytes] = []
    # All are read, for the last one seen is where following goes on.
    async for stamped in log.events(store, run_id, after):
        after = stamped.at.seq
        if actor not in (None, stamped.event.actor):
            continue
        if as_json:
            page.append(_encoder.encode(timeline.fields(stamped.at, stamped.event)))
        else:
            time, what = human(timeline.entry(stamped.at, stamped.event))
            say(f"{faint(time)}  {what}")
        if len(page) >= 500:
            print_bytes(b"\n".join(page) + b"\n")
            page = []
    if page:
        print_bytes(b"\n".join(page) + b"\n")
    flush()
    return after


def human(entry: timeline.Entry) -> tuple[str, str]:
    """An event for people: when it was, and whose and what."""
    return local(entry.wall_ms, "%H:%M:%S"), f"{entry.actor or 'run':<8}  {entry.text}"
