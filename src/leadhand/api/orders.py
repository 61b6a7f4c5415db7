"""Orders: commands that reach a run through its owner or, where it has none, in its place."""

import os
import secrets
import time

from leadhand import wiring
from leadhand.api.names import actor_named
from leadhand.domain import commands as c
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.money import from_usd
from leadhand.domain.places import Pairs
from leadhand.domain.rules.run import over
from leadhand.domain.state import Run
from leadhand.engine.clock import SystemClock
from leadhand.engine.engine import Engine
from leadhand.engine.inbox import Inbox, Mailable, encode, send
from leadhand.engine.resumption import Change
from leadhand.errors import UsageError
from leadhand.refusals import Settled
from leadhand.store import Letter, Store
from leadhand.stores.codec import Secrets, secrets_of

PATIENCE_SECS = 10.0
TAKEN_SECS = 2.0


def cancelling(run: Run, actor: str | None, reason: str) -> c.CancelActor | c.CancelRun:
    """The command that is meant. Raises UsageError, Settled."""
    if run.status is None:
        raise UsageError("the run never began: there is nothing to cancel")
    if over(run):
        raise Settled(f"run {run.id} is already finished: {run.status}")
    if actor is None:
        return c.CancelRun(reason)
    return c.CancelActor(actor_named(run, actor), reason)


def steered(run: Run, actor: str | None) -> ActorId:
    """The actor that is meant, the root where none is named. Raises UsageError, Settled."""
    if run.status is None:
        raise UsageError("the run never began: there is nobody in it")
    if over(run):
        raise Settled(f"run {run.id} is already finished: {run.status}")
    return ROOT if actor is None else actor_named(run, actor)


def letter(order: Mailable) -> Letter:
    """The command as another process's owner gets it; its id makes it one command however often
    it arrives."""
    wall_ms = time.time_ns() // 1_000_000
    return Letter(f"order-{secrets.token_hex(8)}", encode(order), wiring.who(), wall_ms)


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


def house(
    budget_usd: float | None, max_workers: int | None, lead_timeout_secs: int | None
) -> c.ChangeHouse:
    """The house rules that are to be different of a run that is resumed. Raises UsageError."""
    try:
        budget = None if budget_usd is None else from_usd(budget_usd)
    except ValueError as error:
        raise UsageError(f"budget_usd: {error}") from error
    for name, value in (("max_workers", max_workers), ("lead_timeout_secs", lead_timeout_secs)):
        if value is not None and value < 1:
            raise UsageError(f"{name} must be at least 1, found {value}")
    return c.ChangeHouse(budget, max_workers, lead_timeout_secs)


def changes(rules: c.ChangeHouse, moved: Pairs, *, fresh_workers: bool) -> list[Change]:
    """What is to be different of a run that is resumed."""
    found: list[Change] = []
    if rules != c.ChangeHouse():
        found.append(rules)
    if moved:
        found.append(c.MapPaths(moved))
    if fresh_workers:
        found.append(c.CancelWorkers())
    return found


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
