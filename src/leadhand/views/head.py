"""Head: the one row of a run that `list` and `status` read."""

import msgspec
from msgspec import Struct

from leadhand.domain.ids import ROOT
from leadhand.domain.rules.run import reopenable
from leadhand.domain.state import Outbox, Run
from leadhand.domain.text import one_line


class Head(Struct, frozen=True, omit_defaults=True):
    """A run in brief. Money in nano-dollars, times in milliseconds of wall clock. parked: why, if
    it is; parked_until: 0 where it waits for who resumes it. run_ms, wall_ms: when it was written.
    paused: how many actors are; questions: that wait for the operator. notices: that no sink
    was told of yet; dropped: that none will be, and why of the last or the oldest that waits."""

    run_id: str = ""
    lead: str = ""
    status: str = ""
    started_wall_ms: int = 0
    finished_wall_ms: int | None = None
    run_ms: int = 0
    wall_ms: int = 0
    spent: int = 0
    budget: int = 0
    live: int = 0
    settled: int = 0
    failed: int = 0
    draining: bool = False
    cancelled: bool = False
    reopenable: bool = False
    parked: str = ""
    parked_until: int = 0
    questions: int = 0
    paused: int = 0
    preview: str = ""
    notices: int = 0
    dropped: int = 0
    notice_why: str = ""


def head_of(run: Run, wall_ms: int = 0) -> Head:
    """The run in brief."""
    lead = run.records.get(ROOT)
    return Head(
        run_id=run.id,
        lead=run.manifest.lead.id if run.manifest else "",
        status=run.status or "",
        started_wall_ms=run.started_wall_ms,
        finished_wall_ms=run.finished_wall_ms,
        run_ms=run.run_ms,
        wall_ms=wall_ms,
        spent=run.spent,
        budget=run.house.budget_nanousd,
        live=len(run.actors),
        settled=len(run.records),
        failed=run.failed,
        draining=run.drain_until is not None,
        cancelled=run.cancelled is not None,
        reopenable=reopenable(run),
        parked=run.parked.why if run.parked else "",
        parked_until=run.parked.until if run.parked else 0,
        questions=len(run.questions),
        paused=run.paused,
        preview=one_line(lead.preview) if lead else "",
        notices=len(run.outbox.pending),
        dropped=run.outbox.dropped + run.outbox.lost,
        notice_why=notice_why(run.outbox),
    )


def notice_why(box: Outbox) -> str:
    """Why the operator was not told of something; empty where nothing went wrong."""
    waits = next((each.why for each in box.pending.values() if each.why), "")
    return waits or box.why or ("too many at a time" if box.lost else "")


def head(run: Run, wall_ms: int = 0) -> bytes:
    """The head as it is stored at this time."""
    return msgspec.json.encode(head_of(run, wall_ms))


def ran_ms(found: Head, wall_ms: int) -> int:
    """How long a run that somebody works on has run by now, whenever its head was written."""
    goes_on = found.status == "running" and not found.parked and found.wall_ms
    return found.run_ms + (max(0, wall_ms - found.wall_ms) if goes_on else 0)


def read(data: bytes) -> Head:
    """A stored head; a newer one's further fields are ignored."""
    return msgspec.json.decode(data, type=Head) if data else Head()
