"""Notices: what the runtime tells an actor, in words a model can act on."""

from leadhand.domain.events import MessageSent
from leadhand.domain.state import Actor

BUDGET_LOW = (
    "Your budget is nearly used up: what is left covers about one more turn. Start nothing new. "
    "Finish what you have and answer now with what is done and what is not."
)
BUDGET_GONE = (
    "Your budget is used up. This is your last turn and it has no tools. Write your final answer "
    "now: what is done, and what was deferred because of the budget."
)
LAST_TURN = "This is your last turn: give your final answer now, with what is done and what is not."
TIME_NEAR = (
    "Your time is nearly up. Spawn no more workers. Collect what is finished and write your final "
    "report with what has completed so far."
)
TIME_NEAR_WORKER = "Your time is nearly up. Finish what you have and give your final answer."
TIME_UP = (
    "Your time is up. This is your last turn and it has no tools. Write the final report now, "
    "with what has completed; list the rest as deferred."
)
DRAINING = (
    "The operator is draining this run. Start nothing new. Wrap up: finish or stop what you are "
    "doing and give your final answer with what is done and what is deferred."
)
CUT = (
    "Your answer was cut at its greatest length. Go on exactly where it stopped, without repeating "
    "anything; what you write next is added to it."
)
EMPTY = (
    "Your answer was empty. Go on with your work, or give your final answer: what is done, and "
    "what is not."
)
LEAD_ENDED = "Your lead has ended. Wrap up now and give your final answer."
LEAD_OUT_OF_TIME = "Your lead's time is up. Wrap up now and give your final answer."
REFUSED_OFTEN = (
    "Your spawns were refused in ten turns in a row. Do not try again: collect what is finished "
    "and write the final report now."
)
REFUSED_TOO_OFTEN = (
    "Spawning was refused again after you were told to stop. This is your last turn and it has "
    "no tools. Write the final report now."
)
REOPENED = (
    "This run was drained and has now been resumed by the operator. Go on with the work that was "
    "left. Workers that were stopped are listed as settled; spawn new ones where you need them."
)
NO_REPORT = """\
Your last message is not a final report. Write it now, with exactly these sections in this order \
and no text after it:
1. STATUS: one of "success", "partial", or "failed"
2. COMPLETED: one bullet per worker: worker ID, input, one-sentence result
3. DEFERRED OR FAILED: one bullet per unprocessed input: input and reason
4. COST SUMMARY: list of worker IDs and their approximate spend in USD"""


def notice(actor: Actor, kind: str, text: str, offset: int = 0) -> MessageSent:
    """A message of the runtime to an actor; offset counts those made in the same decision."""
    number = actor.message_count + 1 + offset
    return MessageSent(actor.id, number=number, sender="leadhand", kind=kind, text=text)
