"""Look: a run as its log has it, folded without owning it."""

import time
from pathlib import Path

from leadhand.api.names import resume_command
from leadhand.domain.clock import At, Now
from leadhand.domain.events import Event
from leadhand.domain.evolve import evolve
from leadhand.domain.state import Run
from leadhand.engine import log
from leadhand.store import Store
from leadhand.views import why
from leadhand.views.waiting import Scene


async def look(store: Store, run_id: str, run_dir: Path) -> tuple[Run, Scene]:
    """What is true of a run, and what an explanation needs beside that."""
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
    return run, Scene(now, held, resume_command(run_id, run_dir), happened)


def present(last: Now | None, wall_ms: int, *, running: bool) -> Now:
    """The time of a run that another process owns: its own hand has moved on since its last
    event, unless nobody owns it or it is parked."""
    if last is None:
        return Now(wall_ms, 0)
    passed = max(0, wall_ms - last.wall_ms) if running else 0
    return Now(wall_ms, last.run_ms + passed)
