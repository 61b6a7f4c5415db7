"""Notices: what the runtime tells an actor, in words a model can act on."""

from collections.abc import Collection, Sequence

from leadhand.domain.events import Limit, MessageSent
from leadhand.domain.ids import ROOT
from leadhand.domain.manifest import HouseRules
from leadhand.domain.money import show
from leadhand.domain.state import Actor, Run

# How many workers or paths a notice lists.
LISTED_MAX = 100

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
CONTINUED = (
    "You are continued: go on with your task as far as it is not done, and then give your final "
    "answer."
)
NO_REPORT = """\
Your last message is not a final report. Write it now, with exactly these sections in this order \
and no text after it:
1. STATUS: one of "success", "partial", or "failed"
2. COMPLETED: one bullet per worker: worker ID, input, one-sentence result
3. DEFERRED OR FAILED: one bullet per unprocessed input: input and reason
4. COST SUMMARY: list of worker IDs and their approximate spend in USD"""

NO_OUTCOME = (
    "You have ended without calling report, and your task is to return a value. Call report now, "
    "with the value in `returns`."
)

GO_ON = (
    "The operator has given this run more, so you need not wrap up: go on with your task as far as "
    "it is not done, and then give your final answer."
)


def house_changed(run: Run, house: HouseRules, raised: Collection[Limit], *, more: bool) -> str:
    """What a live lead is told of changed house rules. more: of what the run had run out of."""
    text = f"The operator has resumed this run with changed house rules: {rules(run, house)}"
    text += f", {house.lead_timeout_secs} seconds for you from now on." if "time" in raised else "."
    if not more:
        return text
    return f"{text} Go on with the work that was left.{out_of_budget(run)}"


def relieved(run: Run) -> str:
    """What a lead is told that begins another stint, since there is more than there was."""
    return (
        f"This run had ended because its {' and its '.join(run.relieved)} ran out, and the "
        f"operator has now resumed it with more: {rules(run, run.house)}, "
        f"{run.house.lead_timeout_secs} seconds for you from now on. Go on with the work that was "
        f"left, and write a new final report at the end.{out_of_budget(run)}"
    )


def rules(run: Run, house: HouseRules) -> str:
    """The house rules that an operator may change, and what is gone of them."""
    return (
        f"at most {show(house.budget_nanousd)} for everything, of which {show(run.spent)} is "
        f"spent, at most {house.max_workers} workers at a time"
    )


def out_of_budget(run: Run) -> str:
    """Which workers the budget has ended; empty where it has ended none."""
    found = [each for each in run.records.values() if each.status == "BudgetExceeded"]
    named = [f"{each.id} ({each.label})" for each in found if each.parent == ROOT]
    if not named:
        return ""
    return (
        f" Workers that ran out of budget have settled and do not go on: {listed(named, ', ')}. "
        "Spawn new ones where you need them."
    )


def workers_lost(lost: Sequence[Actor]) -> str:
    """Whom a lead has lost, with what each did last and has cost."""
    lines = [
        f"- {each.id} ({each.label}): {show(each.spent)} spent, last: "
        f"{each.last_step or each.last_words or 'nothing yet'}"
        for each in lost
    ]
    return (
        "The operator has resumed this run with fresh workers: these were ended where they were, "
        f"and do not go on:\n{listed(lines, chr(10))}\n"
        "What they wrote may be half done. Spawn new workers for what is still to be done."
    )


def paths_moved(pairs: Sequence[tuple[str, str]]) -> str:
    """Where an actor finds what it has read of under other paths."""
    lines = [f"- {old} is now {new}" for old, new in pairs]
    return (
        f"This run goes on in another place. Paths have moved:\n{listed(lines, chr(10))}\n"
        "Use the new paths from now on, also where you read an old one before."
    )


def listed(parts: Sequence[str], between: str) -> str:
    """The parts in a row, as many as a notice lists."""
    more = len(parts) - LISTED_MAX
    return between.join([*parts[:LISTED_MAX], *([f"and {more} more"] if more > 0 else [])])


def notice(actor: Actor, kind: str, text: str, offset: int = 0) -> MessageSent:
    """A message of the runtime to an actor; offset counts those made in the same decision."""
    number = actor.message_count + 1 + offset
    return MessageSent(actor.id, number=number, sender="leadhand", kind=kind, text=text)
