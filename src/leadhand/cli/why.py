"""Why: plain sentences about what a run or an actor waits for, or why it ended as it did."""

import asyncio
import time
from pathlib import Path

import click

from leadhand.cli.options import (
    actor_named,
    json_option,
    resume_command,
    run_argument,
    run_dir_option,
    with_run,
)
from leadhand.cli.paper import faint, heading, print_json, say
from leadhand.domain.clock import At, Now
from leadhand.domain.events import Event
from leadhand.domain.evolve import evolve
from leadhand.domain.state import Run
from leadhand.engine import log
from leadhand.store import Store
from leadhand.views import why, why_run

ACTORS_MAX = 30


@click.command("why")
@run_argument
@click.argument("actor", required=False)
@run_dir_option
@json_option
def command(run: str, actor: str | None, run_dir: Path, as_json: bool) -> None:
    """Why a run or an actor waits, failed or never started.

    ACTOR is a path (root/W3), its end (W3) or a label. Without it: the run, and every actor of
    it that lives or failed.
    """

    async def explained(store: Store, run_id: str) -> list[why.Why]:
        state, scene = await look(store, run_id, run_dir)
        if actor:
            return [why.actor(state, actor_named(state, actor), scene)]
        return [
            why_run.whole_run(state, scene),
            *(why.actor(state, each, scene) for each in why_run.unwell(state)),
        ]

    found = asyncio.run(with_run(run_dir, run, explained))
    if as_json:
        print_json(found)
        return
    for each in found[: ACTORS_MAX + 1]:
        say(heading(each.about or "the run"))
        for sentence in each.sentences:
            say(f"  {sentence}")
    if len(found) > ACTORS_MAX + 1:
        say(faint(f"{len(found) - ACTORS_MAX - 1} more actors: name one, or take --json"))


async def look(store: Store, run_id: str, run_dir: Path) -> tuple[Run, why.Scene]:
    """Fold a run without owning it, and what an explanation needs beside its state."""
    held = await store.held(run_id)
    run = Run()
    happened: list[tuple[At, Event]] = []
    last: Now | None = None
    async for stamped in log.events(store, run_id):
        evolve(run, stamped.event, stamped.at)
        last = stamped.at.now
        if isinstance(stamped.event, why.TELLING):
            happened.append((stamped.at, stamped.event))
    running = bool(held) and run.parked is None
    now = present(last, time.time_ns() // 1_000_000, running=running)
    return run, why.Scene(now, held, resume_command(run_id, run_dir), happened)


def present(last: Now | None, wall_ms: int, *, running: bool) -> Now:
    """The time of a run that another process owns: its own hand has moved on since its last
    event, unless nobody owns it or it is parked."""
    if last is None:
        return Now(wall_ms, 0)
    passed = max(0, wall_ms - last.wall_ms) if running else 0
    return Now(wall_ms, last.run_ms + passed)
