"""Cost: what a run has cost, by actor and by model, and what is left of its budget."""

from msgspec import Struct

from leadhand.domain import ledger
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.money import Usage
from leadhand.domain.state import Actor, Record, Run
from leadhand.views.words import line, model_name, state_of


class Share(Struct, frozen=True):
    """What one actor has cost, without those below it."""

    id: ActorId
    label: str
    state: str
    model: str
    turns: int
    usage: Usage
    spent: int


class ModelShare(Struct, frozen=True):
    """What one model has cost, and what its cache has saved."""

    model: str
    calls: int
    usage: Usage
    spent: int
    saved: int = 0


class Cost(Struct, frozen=True):
    """Nano-dollars throughout. shares: the lead, then the dearest; others: how many are left out,
    which cost others_spent. reserved: for calls in flight and estimates. unanswered: the part of
    spent that went to calls without an answer. saved: what was not spent since it was cached."""

    spent: int
    budget: int
    reserved: int
    free: int
    unanswered: int
    saved: int
    calls: int
    turns: int
    usage: Usage
    shares: tuple[Share, ...]
    others: int
    others_spent: int
    models: tuple[ModelShare, ...]


def cost(run: Run, rows: int = 1_000) -> Cost:
    """The cost of a run, in at most `rows` shares."""
    everyone: list[Actor | Record] = [*run.records.values(), *run.actors.values()]
    everyone.sort(key=lambda each: (each.id != ROOT, -each.spent, len(each.id), each.id))
    shown, others = everyone[:rows], everyone[rows:]
    envelope = run.envelopes.get(ROOT)
    return Cost(
        spent=run.spent,
        budget=run.house.budget_nanousd,
        reserved=envelope.reserved + envelope.held + envelope.granted if envelope else 0,
        free=ledger.free(envelope) if envelope else 0,
        unanswered=sum(run.cut.values()),
        saved=sum(each.saved for each in run.models.values()),
        calls=run.calls,
        turns=sum(each.turns for each in everyone),
        usage=run.usage,
        shares=tuple(map(share, shown)),
        others=len(others),
        others_spent=sum(each.spent for each in others),
        models=tuple(
            ModelShare(model_name(name), each.calls, each.usage, each.spent, each.saved)
            for name, each in sorted(run.models.items(), key=lambda item: (-item[1].spent, item[0]))
        ),
    )


def share(one: Actor | Record) -> Share:
    """What one actor has cost."""
    return Share(
        id=one.id,
        label=line(one.label or one.agent, 80),
        state=state_of(one),
        model=model_name(one.model),
        turns=one.turns,
        usage=one.usage,
        spent=one.spent,
    )
