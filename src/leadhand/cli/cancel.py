"""Cancel: ends a run, or one actor of it, through its owner or, where it has none, in its place."""

import asyncio
import os
import secrets
import time
from pathlib import Path

import click

from leadhand import wiring
from leadhand.cli.options import (
    actor_named,
    resume_command,
    run_argument,
    run_dir_option,
    with_run,
)
from leadhand.cli.paper import say
from leadhand.domain import commands as c
from leadhand.domain.rules.run import over
from leadhand.domain.state import Run
from leadhand.engine import log
from leadhand.engine.clock import SystemClock
from leadhand.engine.engine import Engine
from leadhand.engine.inbox import Inbox, Mailable, encode, send
from leadhand.errors import Settled, UsageError
from leadhand.store import Letter, Store
from leadhand.stores.codec import Secrets, secrets_of

PATIENCE_SECS = 10.0
TAKEN_SECS = 2.0


@click.command("cancel")
@run_argument
@click.argument("actor", required=False)
@click.option("--reason", default="", help="Why; the actors and the records tell it.")
@run_dir_option
def command(run: str, actor: str | None, reason: str, run_dir: Path) -> None:
    """End a run, or one actor and all below it.

    ACTOR is a path (root/W3), its end (W3) or a label.
    """

    async def cancelled(store: Store, run_id: str) -> str:
        state = await log.fold(store, run_id)
        order = cancelling(state, actor, reason or "cancelled by the operator")
        by_owner = await deliver(store, run_id, letter(order))
        what = order.actor if isinstance(order, c.CancelActor) else f"run {run_id}"
        if by_owner:
            return f"Cancelled {what}."
        then = resume_command(run_id, run_dir)
        return f"Cancelled {what}. Nobody runs the run: what was under way settles at `{then}`."

    say(asyncio.run(with_run(run_dir, run, cancelled)))


def cancelling(run: Run, actor: str | None, reason: str) -> Mailable:
    """The command that is meant. Raises UsageError, Settled."""
    if run.status is None:
        raise UsageError("the run never began: there is nothing to cancel")
    if over(run):
        raise Settled(f"run {run.id} is already finished: {run.status}")
    if actor is None:
        return c.CancelRun(reason)
    return c.CancelActor(actor_named(run, actor), reason)


def letter(order: Mailable) -> Letter:
    """The command as another process's owner gets it; its id makes it one command however often
    it arrives."""
    wall_ms = time.time_ns() // 1_000_000
    return Letter(f"cancel-{secrets.token_hex(8)}", encode(order), wiring.who(), wall_ms)


async def deliver(store: Store, run_id: str, order: Letter) -> bool:
    """Have a command carried out: by the run's owner (True), or by us where it has none.

    An owner that ends meanwhile leaves the letter to us. Raises Refused, UsageError.
    """
    await store.submit(run_id, order)
    patient_until = time.monotonic() + PATIENCE_SECS
    while True:
        if not await store.held(run_id) and await carry_out(store, run_id):
            await send(store, run_id, order, PATIENCE_SECS)
            return False
        try:
            await send(store, run_id, order, TAKEN_SECS)
        except UsageError:
            if time.monotonic() > patient_until:
                raise
        else:
            return True


async def carry_out(store: Store, run_id: str) -> bool:
    """Own the run for as long as its letters take, performing no effects; False where another
    process was faster."""
    hidden = Secrets(secrets_of(os.environ))
    try:
        engine = await Engine.open(store, run_id, SystemClock(), wiring.who(), hidden)
    except UsageError:
        return False
    try:
        await engine.submit(c.OwnRun(engine.epoch, wiring.who(), acts=False))
        await Inbox(engine, store, run_id).take()
    finally:
        await engine.close()
    return True
