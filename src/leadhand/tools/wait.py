"""Wait: the tools by which a lead waits for its workers, and what they bring back."""

from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain import ledger
from leadhand.domain.contract import failing, shown
from leadhand.domain.money import as_usd
from leadhand.domain.rules.actor import find
from leadhand.domain.rules.wait import over
from leadhand.domain.state import Record
from leadhand.harness import Owner
from leadhand.refusals import InvalidArguments
from leadhand.tool import LEADS, Caller, Tool
from leadhand.tools.spawn import named
from leadhand.views import record as record_view
from leadhand.views.remaining import Remaining, remaining

SHOWN_MAX = 12_000
FAILING_SHOWN = 20
Seconds = (
    Annotated[
        int, Meta(ge=0, le=86_400, description="The longest to wait; default: your own time.")
    ]
    | None
)
Ids = Annotated[list[str], Meta(max_length=1_000)]


class WaitActor(Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of wait_actor: one of the ids."""

    worker_id: str = ""
    task_id: str = ""
    actor_id: str = ""
    timeout_secs: Seconds = None


class WaitForAny(Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of wait_for_any: one of the lists."""

    worker_ids: Ids = []
    task_ids: Ids = []
    actor_ids: Ids = []
    timeout_secs: Seconds = None


class Waited(Struct, frozen=True, omit_defaults=True):
    """What a wait brings: a settled worker's result, or why it ended and how to go on.

    pointer: where the whole of a long result is read. cost_usd: of a sub-lead, all below it
    included. duration_ms: from its first call on. outcome: verified, unverified or refuted;
    failing: the checks that do not hold; reported: how the worker says that it ended; returns: the
    value that it returns.
    """

    settled: bool
    remaining: Remaining
    worker_id: str = ""
    status: str = ""
    outcome: str = ""
    failing: list[str] = []
    reported: str = ""
    returns: Raw | None = None
    follow_ups: tuple[str, ...] = ()
    result: str | None = None
    pointer: str = ""
    error: str = ""
    cost_usd: float | None = None
    duration_ms: int | None = None
    why: str = ""
    next: str = ""


def wait_tools(owner: Owner) -> list[Tool]:
    """The tools, for one run."""

    async def wait_actor(caller: Caller, args: WaitActor) -> Waited:
        name = named(args.worker_id, args.task_id, args.actor_id)
        return await waited(owner, caller, [name], False, args.timeout_secs)

    async def wait_for_any(caller: Caller, args: WaitForAny) -> Waited:
        names = [*args.worker_ids, *args.task_ids, *args.actor_ids]
        if not names:
            raise InvalidArguments("worker_ids is empty", "Name the workers to wait for.")
        return await waited(owner, caller, names, True, args.timeout_secs)

    return [
        Tool(
            name="wait_actor",
            description="Wait until a worker has settled and get its result. Where the wait ends "
            "early, settled is false and the answer says why and how to go on.",
            args=WaitActor,
            roles=LEADS,
            effect="reads",
            category="orchestration",
            handler=wait_actor,
            aliases=("wait_for_worker",),
        ),
        Tool(
            name="wait_for_any",
            description="Wait until the first of several workers has settled and get its result.",
            args=WaitForAny,
            roles=LEADS,
            effect="reads",
            category="orchestration",
            handler=wait_for_any,
        ),
    ]


async def waited(
    owner: Owner, caller: Caller, names: list[str], any_of: bool, timeout_secs: int | None
) -> Waited:
    """Open the wait, hold it until it is over, and bring what it gives."""
    targets = tuple(dict.fromkeys(find(owner.run, name, caller.actor_id) for name in names))
    command = c.OpenWait(caller.actor_id, caller.call_id, targets, any_of, timeout_secs)
    await owner.submit(command)
    why = await hold(owner, caller)
    left = remaining(owner.run, caller.actor_id, owner.now())
    settled = [owner.run.records[each] for each in targets if each in owner.run.records]
    if why == "settled":
        return await result(owner, caller, min(settled, key=lambda each: each.final_seq), left)
    waiting = ", ".join(each for each in targets if each not in owner.run.records)
    then = f"Call again to go on waiting for {waiting}; worker_status shows where it stands."
    return Waited(settled=False, remaining=left, worker_id=waiting, why=why, next=then)


async def hold(owner: Owner, caller: Caller) -> str:
    """Wait until the wait is over; why it is."""
    wait = owner.run.live(caller.actor_id).waits[caller.call_id]
    watched = (wait.layer + wait.path,) if wait.path else wait.targets
    with owner.watching(caller.actor_id, "", *watched) as changed:
        while True:
            changed.clear()
            actor, now = owner.run.live(caller.actor_id), owner.now()
            why = over(owner.run, actor, wait, now)
            if why:
                return why
            await owner.until(wait.until, changed)


async def result(owner: Owner, caller: Caller, record: Record, left: Remaining) -> Waited:
    """A settled worker's result, the whole of it behind a pointer where it is long."""
    text = await final_words(owner, record)
    proofs = record_view.Proofs()
    if record.duty.told is not None or record.outcome != "unverified":
        for event in await owner.history(record.id):
            proofs = proofs.after(event)
    report = proofs.report
    pointer = ""
    if len(text) > SHOWN_MAX:
        pointer = await caller.blobs.put(text.encode())
        text = text[:SHOWN_MAX] + f'\n[cut: the whole is at "{pointer}"]'
    return Waited(
        settled=True,
        remaining=left,
        worker_id=record.id,
        status=record.status,
        outcome=record.outcome,
        failing=[shown(each) for each in failing(proofs.evidence)][:FAILING_SHOWN],
        reported=report.status if report else "",
        returns=await returned(caller, report.returns) if report and report.returns else None,
        follow_ups=report.follow_ups if report else (),
        result=text,
        pointer=pointer,
        error=record.error,
        cost_usd=as_usd(ledger.spent_below(owner.run, record.id)),
        duration_ms=record.duration_ms,
    )


async def returned(caller: Caller, value: str) -> Raw:
    """A returned value; in place of a long one, where it is read."""
    if len(value) > SHOWN_MAX:
        pointer = await caller.blobs.put(value.encode())
        return Raw(msgspec.json.encode({"cut": f'the whole is at "{pointer}"'}))
    return Raw(value.encode())


async def final_words(owner: Owner, record: Record) -> str:
    """A settled actor's last words; of one that was stopped, the last that it said."""
    settled = await owner.event(record.final_seq)
    if isinstance(settled, e.ActorSettled) and settled.final:
        return settled.final
    words = ""
    for event in await owner.history(record.id):
        if isinstance(event, e.TurnRecorded) and event.words:
            words = event.words
    return words
