"""Fire: two hundred actors near the limit of their money and a provider that does everything
wrong, over real HTTP; the ledger holds after every event."""

from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest

from leadhand.domain import events as e
from leadhand.domain import ledger
from leadhand.domain.evolve import evolve
from leadhand.domain.ids import ROOT
from leadhand.domain.invariants import broken
from leadhand.engine.log import Stamped
from leadhand.model import Model, Request
from leadhand.models import anthropic
from leadhand.models.http import Http, Limits
from leadhand.models.scripted import Reply
from leadhand.stores.sqlite import SqliteStore
from leadhand.testing.model_server import ModelServer
from leadhand.testing.script import done, turn
from leadhand.testing.step import Step
from leadhand.wiring import LiveRun
from tests.gateway.kit import manifest, owned, served, spawning
from tests.seeds.kit import Ended

pytestmark = pytest.mark.slow

WORKERS = 200
SEEDS = (1, 2, 3)
BUDGET = 3_000_000
MAX_TOKENS = 8_192
LONG = "word " * 200
QUICK = Limits(connect_secs=5, first_byte_secs=1.8, silence_secs=0.5, total_secs=5)


class Provider:
    """A provider that answers by the dice; each request has its own. played: how often what."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.played: Counter[str] = Counter()
        self.tries: Counter[str] = Counter()

    def answer(self, request: Request) -> Reply:
        self.tries[request.call_id] += 1
        dice = Random(f"{self.seed} {request.call_id} {self.tries[request.call_id]}")
        if request.actor_id == ROOT:
            return self.lead(request)
        name = dice.choices([*FAULTS], [weight for weight, _ in FAULTS.values()])[0]
        self.played[name] += 1
        return FAULTS[name][1](dice, request)

    def lead(self, request: Request) -> Reply:
        """It cancels some of its workers as soon as they are under way."""
        dice = Random(self.seed)
        spawned = done(request, "spawn_worker")
        if not spawned:
            return spawning(request, [spawn(dice, number) for number in range(WORKERS)])
        started = [each.json["worker_id"] for each in spawned if not each.is_error]
        if not done(request, "cancel_worker"):
            ends = dice.sample(started, len(started) // 12)
            return Step(calls=tuple(("cancel_worker", {"worker_id": each}) for each in ends))
        return spawning(request, [], status="partial")


def spawn(dice: Random, number: int) -> dict[str, Any]:
    """A worker; one in eight has an envelope of its own, some of them a small one."""
    given: dict[str, Any] = {"prompt": f"number {number}", "max_turns": 2}
    if number % 8 == 0:
        given["budget_usd"] = dice.choice((14e-6, 18e-6, 40e-6))
    return given


def said(dice: Random, request: Request, **more: Any) -> Step:
    """An ordinary answer: a tool call first, then the end."""
    delay = dice.choice((0.0, 0.0, 0.1, 0.6))
    if turn(request) == 0:
        calls = (("Glob", {"pattern": "*.none"}),)
        return Step(**{"text": LONG, "calls": calls, "delay_secs": delay, **more})
    return Step(**{"text": "Done.", "delay_secs": delay, **more})


def cut(dice: Random, request: Request) -> Step:
    return said(dice, request, drop_after=dice.randrange(8))


def cut_inside(dice: Random, request: Request) -> Step:
    return said(dice, request, drop_after_bytes=dice.randrange(1, 1_500))


def silent(dice: Random, request: Request) -> Step:
    return said(dice, request, silent_after=dice.randrange(1, 6))


def figures(**given: Any) -> Any:
    return lambda dice, request: said(dice, request, figures=given)


def dear_to_read(dice: Random, request: Request) -> Step:
    return said(dice, request, figures={"input_tokens": dice.randrange(5_000, 12_000)})


def dear_to_write(dice: Random, request: Request) -> Step:
    tokens = request.max_output_tokens * dice.choice((2, 3)) + 5_000
    return said(dice, request, figures={"output_tokens": tokens})


def status(number: int, **more: Any) -> Any:
    return lambda dice, request: Step(status=number, **more)


SOON = {"retry-after": "0.05"}
# By name: how often in a hundred or so, and what is answered.
FAULTS: dict[str, tuple[float, Callable[[Random, Request], Reply]]] = {
    "fine": (55, said),
    "cut": (6, cut),
    "cut inside": (4, cut_inside),
    "silent": (4, silent),
    "none": (4, lambda dice, request: said(dice, request, no_usage=True)),
    "too low": (4, figures(input_tokens=0, output_tokens=0)),
    "negative": (2, figures(input_tokens=-7, output_tokens=-9)),
    "no figure": (2, figures(output_tokens="many")),
    "too high to be one": (1, figures(input_tokens=2_000_000_000)),
    "dear to read": (4, dear_to_read),
    "dear to write": (4, dear_to_write),
    "late": (2, lambda dice, request: said(dice, request, delay_secs=1.0)),
    "too late": (1, lambda dice, request: said(dice, request, delay_secs=2.5)),
    "429": (1, status(429, headers=SOON)),
    "529": (0.5, status(529, headers=SOON)),
    "500": (2, status(500)),
    "502": (1, status(502, body="<html>Bad gateway</html>")),
    "400": (1, status(400)),
    "no JSON": (1, lambda dice, request: said(dice, request, calls=(("Glob", '{"a'),))),
    "no tool": (1, lambda dice, request: said(dice, request, calls=(("Nonsense", {}),))),
}


class Auditor:
    """Folds every durable event by itself and looks at the books after each."""

    def __init__(self, seed: int, live: LiveRun) -> None:
        self.seed, self.live = seed, live
        self.run, self.excess, self.looks = deepcopy(live.engine.run), 0, 0
        self.faults: list[str] = []
        live.engine.listen(self.heard)

    def heard(self, events: Sequence[Stamped]) -> None:
        # What an answer cost beyond its bound stands in the event after it, in the same commit.
        self.excess += sum(beyond(each.event) for each in events)
        for each in events:
            evolve(self.run, each.event, each.at)
            self.look(f"seed {self.seed}, after {each.at.seq} {each.event}"[:400])
        self.faults += [f"seed {self.seed}, now: {fault}" for fault in broken(self.live.engine.run)]
        if self.faults:
            self.live.conductor().suspend()

    def look(self, when: str) -> None:
        self.looks += 1
        self.faults += [f"{when}: {fault}" for fault in broken(self.run)]
        root = self.run.envelopes.get(ROOT)
        if root is not None and ledger.used(root) > root.limit + self.excess:
            over = ledger.used(root) - root.limit
            self.faults.append(f"{when}: {over} over the limit, excess is {self.excess}")


def beyond(event: e.Event) -> int:
    """What is spent past a limit by this event alone."""
    match event:
        case e.BoundExceeded(excess=amount) | e.TurnLate(booked=amount):
            return amount
    return 0


def burned(base: Path, seed: int, server: ModelServer) -> tuple[Ended, Auditor]:
    """The run, and who has looked at its books all the time."""
    auditors: list[Auditor] = []
    model = anthropic.AnthropicModel(Http(QUICK), anthropic.server(server.url, "sk-none", ""))

    def models(name: str) -> Model:
        return model

    ended = owned(
        base,
        manifest(base, budget_nanousd=BUDGET, defaults={"max_tokens": MAX_TOKENS}),
        server,
        store=SqliteStore(base / "runs"),
        models=models,
        meet=lambda live: auditors.append(Auditor(seed, live)),
    )
    return ended, auditors[0]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_ledger_holds_under_fire(tmp_path: Path, seed: int) -> None:
    provider = Provider(seed)
    with served(provider.answer) as server:
        ended, auditor = burned(tmp_path, seed, server)
        asked = {unquote(each.headers["X-Leadhand-Call"]) for each in server.seen}
    assert auditor.faults == []
    assert auditor.looks >= len(ended.events) - 3
    everything_is_settled_once(ended, asked)
    nothing_is_left(ended, auditor)
    it_burned(ended, auditor, provider)


def everything_is_settled_once(ended: Ended, asked: set[str]) -> None:
    """Each admitted call has one end, and nobody asked without an admission."""
    admitted = Counter(each.call for each in ended.all(e.CallAdmitted))
    settled = Counter(each.call for each in ended.all(e.TurnRecorded))
    settled += Counter(each.call for each in ended.all(e.CallCut))
    assert set(admitted.values()) == {1}
    assert settled == admitted
    assert asked <= set(admitted)


def nothing_is_left(ended: Ended, auditor: Auditor) -> None:
    """The run's spend is that of its events, of its models and of its actors; nothing is
    reserved, and the limit is passed by the excess at most."""
    run = ended.run
    assert (run.actors, list(run.envelopes)) == ({}, [ROOT])
    root = run.envelopes[ROOT]
    assert (root.reserved, root.held, root.granted, root.slice) == (0, 0, 0, 0)
    costs = [each.cost for each in ended.all(e.TurnRecorded)]
    costs += [each.charged for each in ended.all(e.CallCut)]
    costs += [each.booked for each in ended.all(e.TurnLate)]
    assert run.spent == root.spent == sum(costs)
    assert run.spent == sum(each.spent for each in run.models.values()) + run.late
    assert run.spent == sum(each.spent for each in run.records.values())
    assert run.spent <= BUDGET + auditor.excess
    assert msgspec.to_builtins(run.envelopes) == msgspec.to_builtins(auditor.run.envelopes)


def it_burned(ended: Ended, auditor: Auditor, provider: Provider) -> None:
    """All of it happened: calls that waited, shrank and were refused, cuts billed and not."""
    missing = {name for name, (weight, _) in FAULTS.items() if weight >= 4} - set(provider.played)
    assert missing == set()
    assert {each.why for each in ended.all(e.CallDeferred)} >= {"reservations in flight"}
    assert any(each.output_max < MAX_TOKENS for each in ended.all(e.CallAdmitted))
    assert ended.all(e.SpawnRefused)
    charged = [each.charged for each in ended.all(e.CallCut)]
    assert min(charged) == 0 < max(charged)
    assert ended.all(e.BoundExceeded)
    assert auditor.excess > 0
    assert len(ended.run.records) > WORKERS // 2
    assert {"Success", "Failed"} <= set(ended.statuses.values())
