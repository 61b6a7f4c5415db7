"""Fresh: ends every worker of a run that is taken up again, and tells its lead whom it lost."""

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain import notices
from leadhand.domain.clock import Now
from leadhand.domain.ids import ROOT
from leadhand.domain.rules import actor as actors
from leadhand.domain.state import Run


def cancel_workers(run: Run, command: c.CancelWorkers, now: Now) -> list[e.Event]:
    """End all but the lead, deepest first; the lead gets one message that lists its own."""
    tops = [each for each in run.actors.values() if each.parent not in run.actors]
    lost = [
        each
        for top in tops
        for each in actors.below(run, top.id)
        if each.id != ROOT and each.ending is None
    ]
    events: list[e.Event] = [
        e.ActorEnding(each.id, status="Cancelled", reason=command.reason, by=command.by)
        for each in lost
    ]
    lead = run.actors.get(ROOT)
    own = [each for each in lost if each.parent == ROOT]
    if own and lead is not None and lead.ending is None:
        events.append(notices.notice(lead, "workers_lost", notices.workers_lost(own)))
    return events
