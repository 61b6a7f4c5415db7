"""Players: scripted leads and workers that behave and misbehave as a seed has it.

What a turn says is drawn from (seed, actor, number of the turn), so a turn that is asked again
says the same. Only trouble on the way (errors, crashes) may depend on how often it was asked.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from random import Random

from msgspec import Struct

from leadhand.domain.money import Usage
from leadhand.errors import ModelError, ModelErrorKind
from leadhand.model import Request, StopReason
from leadhand.models.scripted import Reply, counted
from leadhand.testing import asking, sharing
from leadhand.testing.clock import WALL_MS
from leadhand.testing.deeds import DEEDS, LONG, notes, says, spawn, spawn_any
from leadhand.testing.script import Done, asks_summary, done, turn

FOR_EVER_SECS = 1_000_000.0


ENDS: tuple[StopReason, ...] = ("max_tokens", "context_exceeded", "refusal")
PROVIDER_TROUBLES: tuple[ModelErrorKind, ...] = (
    "rate_limited",
    "rate_limited",
    "overloaded",
    "quota",
    "context_exceeded",
)

LEADS = {
    "orderly": 6,
    "silent": 2,
    "liar": 1,
    "greedy": 3,
    "stubborn": 1,
    "random": 4,
    "endless": 1,
}
WORKERS = {"plain": 12, "endless": 2, "mute": 1, "wordy": 1, "disobedient": 1, "unlucky": 2}
# How many leads steer their workers, whatever they else would be.
STEERING = 0.2
# What a lead of each temper does in a turn, with weights.
TEMPERS: dict[str, dict[str, float]] = {
    "greedy": {"spawn": 8, "wait_any": 2, "look": 1, "report": 1},
    "random": {
        "spawn": 5,
        "wait": 4,
        "wait_any": 3,
        "cancel": 2,
        "look": 2,
        "note": 3,
        "nonsense": 2,
        "report": 1,
        "words": 1,
        "nothing": 0.3,
    },
    "endless": {"note": 5, "look": 2, "spawn": 1},
    "steering": {
        "spawn": 3,
        "pause": 3,
        "go_on": 4,
        "reprompt": 2,
        "tell": 2,
        "wait": 3,
        "wait_any": 1,
        "cancel": 0.5,
        "note": 1,
        "report": 1,
    },
}


class Trouble(Struct, frozen=True):
    """What goes wrong on the way of an answer. times: how often; dear: it costs too much. error:
    which kind of ModelError; wait_secs: how long the provider asks to wait, or until its quota
    comes back; stop_reason: how the answer ends instead of as it should."""

    kind: str = ""
    times: int = 0
    delay_secs: float = 0.0
    billed: bool = True
    error: ModelErrorKind = "protocol"
    retryable: bool | None = True
    wait_secs: float | None = None
    dear: bool = False
    stop_reason: StopReason | None = None


class Players:
    """All who answer in one run. asked counts the requests of each (actor, turn)."""

    def __init__(self, seed: int, wall_ms: Callable[[], int] = lambda: WALL_MS) -> None:
        """wall_ms: tells the wall clock."""
        self._seed, self.wall_ms = seed, wall_ms
        self.asked: Counter[tuple[str, int]] = Counter()

    def dice(self, *about: object) -> Random:
        """Randomness that depends on the seed and these words alone."""
        return Random(":".join(map(str, (self._seed, *about))))

    async def reply(self, request: Request) -> Reply:
        """The next reply of an actor. Raises ModelError, and RuntimeError to break its harness."""
        number = turn(request)
        key = (request.actor_id, number)
        self.asked[key] += 1
        dice = self.dice(*key)
        trouble = self.trouble(request.actor_id, dice)
        await patience(trouble)
        if trouble.kind and self.asked[key] <= trouble.times:
            if trouble.kind == "crash":
                raise RuntimeError("the script broke")
            raise self.fault(trouble)
        if asks_summary(request):
            said = Reply(text=dice.choice(("It went well so far.", "It went well.", "")))
        else:
            said = (self.lead if leads(request.actor_id) else self.worker)(request, dice)
        if said.calls:
            shares = sharing.calls(self.dice("shares", *key))
            questions: tuple[asking.Call, ...] = ()
            if asking.asks(self._seed):
                questions = asking.calls(self.dice("asks", *key), leads(request.actor_id))
            said = Reply(text=said.text, calls=(*said.calls, *shares, *questions))
        cut = None if said.calls else trouble.stop_reason
        usage = usage_of(request, dice, trouble.dear)
        return Reply(text=said.text, calls=said.calls, usage=usage, stop_reason=cut)

    def fault(self, trouble: Trouble) -> ModelError:
        """What a provider answers instead."""
        quota, secs = trouble.error == "quota", trouble.wait_secs
        return ModelError(
            "busy",
            kind=trouble.error,
            retryable=trouble.retryable,
            billed=trouble.billed,
            retry_after_secs=None if quota else secs,
            resets_at=self.wall_ms() + round(secs * 1000) if quota and secs is not None else None,
        )

    def trouble(self, actor: str, dice: Random) -> Trouble:
        """What goes wrong with a turn."""
        chance = dice.random()
        times = dice.choice((1, 1, 1, 2, 9))
        delay = dice.choice((0.0, 0.01, 0.5, 2.0)) * dice.random()
        if chance < 0.05:
            billed, again = dice.random() < 0.5, dice.random() < 0.8
            return Trouble("error", times, delay, billed, retryable=again)
        if chance < 0.07 or (chance < 0.3 and self.temper(actor) == "unlucky"):
            return Trouble("crash", times, delay)
        if chance < 0.10:
            return Trouble(delay_secs=dice.uniform(1, 400))
        if chance < 0.11:
            return Trouble(delay_secs=FOR_EVER_SECS)
        if chance < 0.12:
            return Trouble("deaf", 0, delay_secs=dice.uniform(1, 60))
        if chance < 0.20:
            return provider_trouble(dice, times, delay)
        if chance < 0.22:
            return Trouble(delay_secs=delay, stop_reason=dice.choice(ENDS))
        return Trouble(delay_secs=delay, dear=chance > 0.97)

    def temper(self, actor: str) -> str:
        """What kind of lead or worker an actor is."""
        if "/" not in actor and self.dice("steers", actor).random() < STEERING:
            return "steering"
        kinds = LEADS if leads(actor) else WORKERS
        return self.dice("temper", actor).choices(list(kinds), list(kinds.values()))[0]

    def worker(self, request: Request, dice: Random) -> Reply:
        """A worker's turn."""
        number, temper = turn(request), self.temper(request.actor_id)
        length = self.dice("length", request.actor_id).choice((1, 2, 3, 5, 8))
        if temper == "endless" or number + 1 < length:
            return Reply(text="Working.", calls=notes(dice))
        if temper == "mute":
            return Reply()
        if temper == "disobedient" and number < 6:
            return Reply(calls=(spawn(dice), ("list_workers", {})))
        # Dice of its own, so that what else a seed means stays as it was.
        if (said := self.dice("says", request.actor_id, number)).random() < 0.6:
            return Reply(text=said.choice(("Done.", "It failed.")), calls=says(said))
        return Reply(text="x" * LONG if temper == "wordy" else f"Done by {request.actor_id}.")

    def lead(self, request: Request, dice: Random) -> Reply:
        """A lead's turn."""
        temper = self.temper(request.actor_id)
        if request.tool_choice == "none" and dice.random() < 0.8:
            return Reply(text=report(request, dice))
        if temper == "stubborn":
            stubborn = self.dice("stubborn")
            if turn(request) < 30:
                return Reply(calls=(spawn(stubborn, budget=1_000),) * dice.choice((1, 3)))
            return Reply(text=report(request, dice))
        if temper in TEMPERS:
            return by_temper(request, dice, TEMPERS[temper])
        return self.orderly(request, dice, temper)

    def orderly(self, request: Request, dice: Random, temper: str) -> Reply:
        """Spawn some, wait for all, end."""
        plan = self.dice("plan", request.actor_id)
        wanted, patience_secs = plan.randint(1, 10), plan.choice((None, None, 5, 0))
        tries = [*done(request, "spawn_worker"), *done(request, "spawn_sublead")]
        waiting = [each for each in workers(request) if each not in settled(request)]
        if len(tries) < wanted:
            together = dice.randint(1, wanted - len(tries))
            return Reply(calls=tuple(spawn_any(request, dice) for _ in range(together)))
        if waiting and turn(request) < 40:
            limit = {} if patience_secs is None else {"timeout_secs": patience_secs}
            return Reply(calls=tuple(("wait_actor", {"actor_id": w, **limit}) for w in waiting))
        if temper == "silent":
            return Reply(text="All is done.")
        return Reply(text=report(request, dice, lies=temper == "liar"))


def leads(actor: str) -> bool:
    """Whether an actor is the lead or a sub-lead, by its path."""
    return actor.rpartition("/")[2][:1] != "W"


def provider_trouble(dice: Random, times: int, delay: float) -> Trouble:
    """A provider that has had enough, for a while or for good, or cannot read that much."""
    kind = dice.choice(PROVIDER_TROUBLES)
    waits = {"quota": (None, 30.0, 4_000.0, 200_000.0), "context_exceeded": (None,)}
    secs = dice.choice(waits.get(kind, (None, 0.5, 20.0, 2_000.0)))
    billed = kind == "overloaded" and dice.random() < 0.2
    return Trouble("error", times, delay, billed, error=kind, retryable=None, wait_secs=secs)


async def patience(trouble: Trouble) -> None:
    """Let an answer take its time; one kind does not even hear that it was cancelled."""
    if trouble.kind == "deaf":
        over = asyncio.get_running_loop().time() + trouble.delay_secs
        while (left := over - asyncio.get_running_loop().time()) > 0:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError:
                over = min(over, asyncio.get_running_loop().time() + 5)
    elif trouble.delay_secs:
        await asyncio.sleep(trouble.delay_secs)


def usage_of(request: Request, dice: Random, dear: bool) -> Usage:
    """What an answer used: no more than was asked for, unless it is a dear one."""
    read = counted(request, []).input
    said = dice.randint(1, max(1, request.max_output_tokens))
    if dear:
        return Usage(input=read * 8, output=said + dice.choice((0, 5_000)))
    cached = dice.randint(0, read)
    fresh = dice.randint(0, read - cached)
    return Usage(fresh, said, cache_read=cached, cache_creation=read - cached - fresh)


def by_temper(request: Request, dice: Random, weights: dict[str, float]) -> Reply:
    """A turn of one to three deeds; a final one stands alone."""
    deeds = dice.choices(list(weights), list(weights.values()), k=dice.choice((1, 1, 2, 3)))
    if deeds[0] == "report":
        return Reply(text=report(request, dice))
    if deeds[0] == "words":
        return Reply(text="I believe that this is enough.")
    if deeds[0] == "nothing":
        return Reply()
    known = workers(request)
    calls = [
        spawn_any(request, dice, known) if deed == "spawn" else DEEDS[deed](dice, known)
        for deed in deeds
        if deed in DEEDS
    ]
    return Reply(text=dice.choice(("", "Going on.")), calls=tuple(calls))


def workers(request: Request) -> list[str]:
    """The ids of the workers and sub-leads that a lead has got, each once."""
    got = [each.json.get("worker_id") for each in done(request, "spawn_worker")]
    got += [each.json.get("sublead_id") for each in done(request, "spawn_sublead")]
    return [worker for worker in dict.fromkeys(got) if isinstance(worker, str)]


def settled(request: Request) -> set[str]:
    """The ids of the workers whose results a lead has."""
    waits: list[Done] = done(request, "wait_actor")
    return {each.json["worker_id"] for each in waits if each.json.get("settled")}


def report(request: Request, dice: Random, lies: bool = False) -> str:
    """A final report in four sections, true or not."""
    known = [*workers(request), *(["root/W77"] if lies else [])]
    status = dice.choice(("success", "success", "partial", "failed"))
    done_lines = [f"- {worker} — the task — done" for worker in known] or ["- none"]
    costs = [f"- {worker}: $0.01" for worker in known] or ["- none"]
    lines = [f"1. STATUS: {status}", "2. COMPLETED", *done_lines, "3. DEFERRED OR FAILED", "- none"]
    return "\n".join([*lines, "4. COST SUMMARY", *costs])
