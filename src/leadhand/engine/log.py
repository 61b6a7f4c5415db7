"""Log: a run's durable events in order, for its owner and for those who only look."""

from collections.abc import AsyncIterator

from msgspec import Struct

from leadhand.domain.clock import At, Now
from leadhand.domain.events import Event
from leadhand.domain.evolve import evolve
from leadhand.domain.state import Run
from leadhand.store import Row, Store
from leadhand.stores import codec

PAGE = 2_000


class Stamped(Struct, frozen=True):
    """An event with its place in the log."""

    at: At
    event: Event


async def events(
    store: Store, run_id: str, after: int = 0, actor: str | None = None
) -> AsyncIterator[Stamped]:
    """The events with seq > after, of one actor or of all, as far as the log goes now."""
    while True:
        rows = await store.read(run_id, after, actor, PAGE)
        for row in rows:
            yield await decoded(store, run_id, row)
        if len(rows) < PAGE:
            return
        after = rows[-1].seq


async def fold(store: Store, run_id: str) -> Run:
    """What is true of a run as far as its log goes now; nobody needs to own it."""
    run = Run()
    async for stamped in events(store, run_id):
        evolve(run, stamped.event, stamped.at)
    return run


async def decoded(store: Store, run_id: str, row: Row) -> Stamped:
    """The event of a row, fetched from its blob where it was too long for one."""
    blob = codec.spilled(row.data)
    data = row.data if blob is None else await store.get_blob(run_id, blob)
    return Stamped(At(row.seq, Now(row.wall_ms, row.run_ms)), codec.decode(data))
