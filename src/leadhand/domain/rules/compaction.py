"""Compaction: when a conversation is too long to go on with, and what its summary leaves of it."""

from leadhand.domain import commands as c
from leadhand.domain import estimates
from leadhand.domain import events as e
from leadhand.domain.clock import At
from leadhand.domain.money import Price
from leadhand.domain.state import Actor, Run


def wanted(actor: Actor, command: c.AdmitCall) -> bool:
    """Whether the conversation is to be summarized before the actor's next turn: once a turn at
    most, unless the model cannot read it, and never instead of the last. A session outside of this
    process does that itself."""
    if actor.final or not actor.turns or command.outside:
        return False
    if command.compact or actor.compacted_turn == actor.turns:
        return command.compact
    new = command.new_bytes // estimates.BYTES_PER_TOKEN
    return actor.context_tokens + new > actor.compact_above


def compacted(
    actor: Actor, command: c.RecordCompaction, price: Price, amount: int
) -> e.ConversationCompacted:
    """What a summary that cost this much leaves; an empty one leaves all as it was."""
    results_max = actor.compact_above * estimates.BYTES_PER_TOKEN // 2
    if command.brief:
        results_max = min(results_max, estimates.COMPACT_RESULTS_BRIEF)
    return e.ConversationCompacted(
        actor.id,
        call=command.call,
        summary=command.summary,
        archive=command.archive,
        usage=command.usage,
        cost=amount,
        saved=price.saved(command.usage),
        context=command.kept_bytes if command.summary else actor.context_tokens,
        results_max=results_max,
    )


def evolve_compacted(run: Run, event: e.ConversationCompacted, at: At) -> None:
    """The conversation is short again; it is not summarized twice in one turn."""
    actor = run.actors[event.actor]
    actor.context_tokens = event.context
    actor.compacted_turn = actor.turns
