"""Standing: how a run stands, from its head and from who holds it; the log is not read."""

import asyncio
import time
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from leadhand.domain.money import as_usd
from leadhand.errors import StoreError
from leadhand.store import Store
from leadhand.views import head
from leadhand.views.record import iso

AT_ONCE = 16


class Standing(Struct, frozen=True):
    """A run in brief. status: as in its log, but `interrupted` where it is not over and nobody
    owns it, `parked` where it waits for a provider's quota, `empty` where it never began,
    `unreadable` where error says why. resumable: whether `leadhand resume` would go on with it.
    parked: why it is; parked_until: when it goes on by itself, if it does. paused: how many actors
    wait to be continued. questions: how many wait for the operator. ran_ms: run time.
    notices_waiting: that no sink was told of yet; notices_dropped: that none will be; notices_why:
    what went wrong last."""

    run_id: str
    status: str
    lead: str = ""
    started_at: str | None = None
    finished_at: str | None = None
    started_wall_ms: int = 0
    ran_ms: int = 0
    cost_usd: float = 0.0
    budget_usd: float = 0.0
    live: int = 0
    settled: int = 0
    failed: int = 0
    draining: bool = False
    cancelled: bool = False
    resumable: bool = False
    parked: str = ""
    parked_until: str | None = None
    parked_until_wall_ms: int = 0
    questions: int = 0
    paused: int = 0
    owner: str = ""
    preview: str = ""
    error: str = ""
    notices_waiting: int = 0
    notices_dropped: int = 0
    notices_why: str = ""


async def standing(store: Store, run_id: str) -> Standing:
    """How a run stands. Raises StoreError."""
    data = await store.head(run_id)
    held = await store.held(run_id)
    try:
        brief = head.read(data)
    except msgspec.MsgspecError as error:
        raise StoreError(f"run {run_id} is damaged: its head cannot be read ({error})") from error
    return of(run_id, brief, held, time.time_ns() // 1_000_000)


def of(run_id: str, brief: head.Head, held: str, wall_ms: int = 0) -> Standing:
    """How a run stands at this time, from its head and who holds it."""
    status = brief.status or "empty"
    if brief.status == "running" and brief.parked:
        status = "parked"
    elif brief.status == "running" and not held:
        status = "interrupted"
    return Standing(
        run_id=run_id,
        status=status,
        lead=brief.lead,
        started_at=iso(brief.started_wall_ms) if brief.started_wall_ms else None,
        finished_at=None if brief.finished_wall_ms is None else iso(brief.finished_wall_ms),
        started_wall_ms=brief.started_wall_ms,
        ran_ms=head.ran_ms(brief, wall_ms) if held else brief.run_ms,
        cost_usd=as_usd(brief.spent),
        budget_usd=as_usd(brief.budget),
        live=brief.live,
        settled=brief.settled,
        failed=brief.failed,
        draining=brief.draining and status == "running",
        cancelled=brief.cancelled,
        resumable=(brief.status == "running" and not held) or brief.reopenable,
        parked=brief.parked,
        parked_until=iso(brief.parked_until) if brief.parked_until and held else None,
        parked_until_wall_ms=brief.parked_until if held else 0,
        questions=brief.questions,
        paused=brief.paused,
        owner=held,
        preview=brief.preview,
        notices_waiting=brief.notices,
        notices_dropped=brief.dropped,
        notices_why=brief.notice_why,
    )


async def standings(store: Store, runs: Sequence[str]) -> list[Standing]:
    """How each of the runs stands; one that cannot be read says why."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(run_id: str) -> Standing:
        async with turns:
            try:
                return await standing(store, run_id)
            except StoreError as error:
                return Standing(run_id, "unreadable", error=error.message)

    return await asyncio.gather(*map(one, runs))
