"""House: what the operator may change of a run's house rules, and what a raise sets right."""

from collections.abc import Iterator

from msgspec.structs import replace

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain import ledger, notices
from leadhand.domain.clock import At, Now
from leadhand.domain.ids import ROOT
from leadhand.domain.manifest import HouseRules
from leadhand.domain.money import show
from leadhand.domain.rules import deadline
from leadhand.domain.rules.run import over, reopenable
from leadhand.domain.state import Actor, Run
from leadhand.refusals import BudgetExceeded, InvalidArguments, Settled

# What a wind-down is undone by.
WINDS: dict[str, e.Limit] = {"budget": "budget", "refused spawns": "budget", "time": "time"}


def change(run: Run, command: c.ChangeHouse, now: Now) -> list[e.Event]:
    """Change the house rules for all that follows, and tell whom it concerns.

    A run that is over is only changed where that takes it up again. Raises InvalidArguments,
    Settled, BudgetExceeded.
    """
    if run.manifest is None:
        raise InvalidArguments("the run never began", "Dispatch its manifest again.")
    house = changed(run, command)
    raised = raises(run.house, command)
    if over(run) and not reopenable(run) and not set(raised) & set(lacking(run)):
        raise finished(run)
    if house.budget_nanousd != run.house.budget_nanousd:
        check_budget(run, house.budget_nanousd)
    if house == run.house and not raised:
        return []
    events: list[e.Event] = [e.HouseChanged(house=house, raised=raised)]
    lead = run.actors.get(ROOT)
    if lead is not None and run.led and not done(lead):
        relieved = set(raised) & set(run.short)
        text = notices.house_changed(run, house, raised, more=bool(relieved))
        events.append(notices.notice(lead, "reopened" if relieved else "house", text))
    events += [
        notices.notice(each, "reopened", notices.GO_ON) for each in told_to_stop(run, raised)
    ]
    return events


def changed(run: Run, command: c.ChangeHouse) -> HouseRules:
    """The house rules with what the command gives; without a lead, workers are tasks at a time."""
    given = {
        "budget_nanousd": command.budget_nanousd,
        "max_workers" if run.led else "max_parallel_tasks": command.max_workers,
        "lead_timeout_secs": command.lead_timeout_secs,
    }
    return replace(run.house, **{name: value for name, value in given.items() if value is not None})


def raises(house: HouseRules, command: c.ChangeHouse) -> tuple[e.Limit, ...]:
    """The limits of which there is more now; time counts from now on, and so always is."""
    raised: list[e.Limit] = []
    if command.budget_nanousd is not None and command.budget_nanousd > house.budget_nanousd:
        raised.append("budget")
    if command.lead_timeout_secs is not None:
        raised.append("time")
    return tuple(raised)


def check_budget(run: Run, amount: int) -> None:
    """Refuse a budget below what is gone or promised. Raises BudgetExceeded."""
    root = run.envelopes[ROOT]
    taken = ledger.used(root) - root.slice
    if amount < taken:
        raise BudgetExceeded(
            f"a budget of {show(amount)} is below what is spent ({show(root.spent)}) and set "
            f"aside ({show(taken - root.spent)})",
            f"Give at least {show(taken)}.",
        )


def finished(run: Run) -> Settled:
    """The refusal to change the rules of a run that stays over."""
    why = " and ".join(lacking(run))
    next_step = f"It ran out of {why}: more of that takes it up again." if why else ""
    return Settled(f"the run is already finished: {run.status}", next_step or "Its result stands.")


def lacking(run: Run) -> list[e.Limit]:
    """What a run that is over would be taken up again with, if there were more of it."""
    if not (over(run) and run.led) or reopenable(run) or run.status in ("succeeded", "cancelled"):
        return []
    return [*run.short]


def done(lead: Actor) -> bool:
    """Whether a live lead has said its last, and only another stint could go on."""
    return lead.ending is not None or lead.final_used


def told_to_stop(run: Run, raised: tuple[e.Limit, ...]) -> Iterator[Actor]:
    """The live workers that were told to finish for want of what there is more of now."""
    lead = run.actors.get(ROOT)
    more_time = "time" in raised and lead is not None and lead.expired and not done(lead)
    for each in run.actors.values():
        if each.role == "lead" or each.ending is not None:
            continue
        late = more_time and each.stop_why == deadline.LEAD_LATE
        poor = each.pool == ROOT and each.winding == "budget" and each.stop_at is None
        if late or (poor and "budget" in raised):
            yield each


def evolve_changed(run: Run, event: e.HouseChanged, at: At) -> None:
    """Change the rules, and undo what the want of what there is more of now has begun."""
    assert run.manifest is not None
    run.manifest = replace(run.manifest, house=event.house)
    lead = run.actors.get(ROOT)
    own = (each for each in run.actors.values() if each.role == "worker" and each.parent == ROOT)
    run.workers_kept = lead.workers_live if lead is not None else sum(1 for _ in own)
    run.tasks.held = ""
    for each in [*told_to_stop(run, event.raised)]:
        each.winding, each.stop_at, each.stop_why = "", None, ""
    if run.led and (lead is None or done(lead)):
        run.relieved += [each for each in event.raised if each in run.short]
    elif run.led and lead is not None:
        lift(lead, event, at)
    run.short = [each for each in run.short if each not in event.raised]
    root = run.envelopes[ROOT]
    if root.limit != event.house.budget_nanousd:
        root.limit = event.house.budget_nanousd
        # All that is spent lies within the new limit.
        root.excess = 0
        if lead is not None:
            ledger.slice_report(run, lead)


def lift(lead: Actor, event: e.HouseChanged, at: At) -> None:
    """Let a lead go on that was winding down."""
    if "time" in event.raised:
        lead.timeout_ms = event.house.lead_timeout_secs * 1000
        # A paused lead's time begins when it is continued.
        lead.deadline = (lead.paused.since if lead.paused else at.now.run_ms) + lead.timeout_ms
        lead.warned = False
        if lead.expired:
            lead.expired, lead.stop_at, lead.stop_why = False, None, ""
    if WINDS.get(lead.winding) in event.raised:
        lead.winding, lead.final, lead.refusals_in_row = "", False, 0


def ran_short(run: Run, limit: e.Limit) -> None:
    """Remember what the run ran out of."""
    if limit not in run.short:
        run.short.append(limit)


def evolve_refused(run: Run, event: e.SpawnRefused, at: At) -> None:
    """A worker that the budget had no room for."""
    if event.code == BudgetExceeded.code and run.actors[event.actor].pool == ROOT:
        ran_short(run, "budget")


def evolve_wind_down(run: Run, event: e.WindDownBegan, at: At) -> None:
    """An actor that was told to finish for want of money."""
    if event.why == "budget" and run.actors[event.actor].pool == ROOT:
        ran_short(run, "budget")


def evolve_expired(run: Run, event: e.ActorExpired, at: At) -> None:
    """A lead whose time is up."""
    if event.actor == ROOT:
        ran_short(run, "time")


def evolve_settling(run: Run, event: e.ActorSettled, at: At) -> None:
    """An actor that the budget ended; and one less of the workers that a lower cap found."""
    actor = run.actors[event.actor]
    if event.status == "BudgetExceeded" and actor.pool == ROOT:
        ran_short(run, "budget")
    if actor.role == "worker" and actor.parent == ROOT:
        run.workers_kept = max(0, run.workers_kept - 1)


def evolve_reopened(run: Run, event: e.RunReopened, at: At) -> None:
    """Another stint has run out of nothing yet."""
    run.short, run.relieved = [], []
