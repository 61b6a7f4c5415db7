"""Invariants: each sentence is said of a run in which it does not hold, and of no other."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from leadhand.domain import commands as c
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.invariants import broken
from leadhand.domain.manifest import Subleads
from leadhand.domain.state import Call, Deferral, Pause, Run
from tests.rules.world import UNIT, World

RICH, POOR, GONE = ActorId("root/W1"), ActorId("root/W2"), ActorId("root/W3")


def sound() -> World:
    """A run with a worker of its own money, one that is held for and calls, and one settled."""
    world = World(max_workers=3)
    world.turn()
    world.spawn(budget_nanousd=50_000)
    poor = world.spawn()
    world.settled()
    world.admit(poor)
    return world


def calling(run: Run) -> None:
    call = run.actors[POOR].call
    assert call is not None
    run.actors[POOR].deferral = Deferral(call.id, 1, "why", 0, 1)


def paused(run: Run) -> None:
    run.actors[POOR].paused = Pause("cancel", 0, "operator", "")
    run.actors[POOR].deferral = Deferral(CallId("next"), 1, "why", 0, 1)


def late_lead(run: Run) -> None:
    run.actors[RICH].live_children = [POOR]


def overdrawn(run: Run) -> None:
    run.envelopes[ROOT].limit = 10


def add(owner: ActorId, part: str, amount: int) -> Callable[[Run], None]:
    """Change a part of an envelope."""

    def change(run: Run) -> None:
        envelope = run.envelopes[owner]
        setattr(envelope, part, getattr(envelope, part) + amount)

    return change


def each_of(part: str) -> Callable[[Run], None]:
    """Make a part of an envelope negative."""

    def change(run: Run) -> None:
        setattr(run.envelopes[RICH], part, -1)

    return change


def doubled(run: Run) -> None:
    run.records[RICH] = run.records[GONE]


def disowned(run: Run) -> None:
    run.actors[ROOT].live_children.remove(RICH)


def ghost(run: Run) -> None:
    run.actors[ROOT].live_children.append(GONE)


def poolless(run: Run) -> None:
    run.actors[RICH].pool = ActorId("nowhere")


def tireless(run: Run) -> None:
    run.actors[RICH].turns = run.actors[RICH].turns_max + 2


def finished(run: Run) -> None:
    run.finished_wall_ms = 1


def spent_more(run: Run) -> None:
    run.spent += 1


def dearer(run: Run) -> None:
    run.records[GONE].spent += 1


def cheaper(run: Run) -> None:
    run.models[UNIT].spent -= 1


def crowded(run: Run) -> None:
    run.manifest = World(max_workers=1).run.manifest


def spawned(run: Run) -> None:
    run.spawned_total = 1_001


def kept(run: Run) -> None:
    run.envelopes[GONE] = run.envelopes[RICH]


def test_a_run_that_only_the_rules_have_touched_is_sound() -> None:
    assert broken(sound().run) == []
    assert broken(Run()) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        *((each_of(part), f"{RICH}: {part} is negative") for part in "spent excess".split()),
        *((each_of(part), f"{RICH}: {part} is negative") for part in "reserved held".split()),
        *((each_of(part), f"{RICH}: {part} is negative") for part in "granted slice".split()),
        (paused, "the actors that are paused are not those that are counted"),
        (paused, f"{POOR}: is paused, but its call waits to be admitted"),
        (overdrawn, "root: more is spent and set aside than its limit and excess"),
        (
            add(ROOT, "reserved", 1),
            "root: what is reserved is not what its calls in flight may cost",
        ),
        (
            add(ROOT, "held", 1),
            "root: what is held is not what its workers' estimates still claim",
        ),
        (
            add(ROOT, "granted", 1),
            "root: what is granted is not what its children may still spend",
        ),
        (kept, f"{GONE}: a settled actor keeps a report slice"),
        (add(ROOT, "spent", 1), "the run's spend is not that of its root envelope"),
        (dearer, "what the actors have spent is not what the run has"),
        (spent_more, "the models have not cost what the run has spent"),
        (cheaper, "the models have not cost what the run has spent"),
        (doubled, f"{RICH}: is live and settled"),
        (disowned, f"{RICH}: its parent does not know it"),
        (ghost, f"{ROOT}: its child {GONE} is not live"),
        (poolless, f"{RICH}: draws on an envelope that is not there"),
        (calling, f"{POOR}: its call is both in flight and waiting"),
        (tireless, f"{RICH}: took more turns than it may"),
        (late_lead, f"{RICH}: a worker has workers"),
        (finished, "the run is finished, and parked or someone is live"),
        (crowded, "more workers are live than there are places"),
        (spawned, "more workers were spawned than max_total_spawns"),
    ],
)
def test_a_sentence_that_does_not_hold_is_said(
    change: Callable[[Run], None], sentence: str
) -> None:
    run = sound().run
    change(run)
    assert sentence in broken(run)


def test_a_reservation_that_nobody_made_is_seen() -> None:
    run = sound().run
    run.actors[RICH].call = Call(CallId("x"), UNIT, 5, 0, 0, False)
    assert any("in flight" in sentence for sentence in broken(run))


def test_a_settle_that_forgets_to_free_is_seen_at_once() -> None:
    world = sound()
    world.run.envelopes[ROOT].held += 7
    with pytest.raises(AssertionError, match="after RunDraining"):
        world.do(c.DrainRun())


SUB, BELOW = ActorId("root/S1"), ActorId("root/S1/W1")


def divided() -> World:
    """A run with a sub-lead that has a worker."""
    world = World(subleads=Subleads(max_subleads=1, max_total_workers=1), budget_nanousd=10**9)
    world.spawn(parent=world.sublead())
    return world


def uncounted_sublead(run: Run) -> None:
    run.subleads_live = 0


def uncounted_worker(run: Run) -> None:
    run.actors[SUB].workers_live = 0


def narrower(run: Run) -> None:
    run.actors[SUB].max_workers = 0


def unwanted(run: Run) -> None:
    run.manifest = World().run.manifest


def poor(run: Run) -> None:
    run.actors[SUB].pool = ROOT


def fewer(**figures: Any) -> Callable[[Run], None]:
    """Lower a figure of the sub-leads."""

    def change(run: Run) -> None:
        assert run.manifest is not None
        run.manifest = replace(run.manifest, subleads=Subleads(**figures))

    return change


def forgotten(run: Run) -> None:
    del run.actors[SUB], run.actors[BELOW]
    run.envelopes[SUB].users = 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (uncounted_sublead, "the sub-leads that live are not those that are counted"),
        (uncounted_worker, f"{SUB}: its workers that live are not those that are counted"),
        (narrower, f"{SUB}: has more workers than its max_workers"),
        (unwanted, "there are sub-leads, which are not allowed"),
        (poor, f"{SUB}: a sub-lead has no envelope of its own"),
        (fewer(max_subleads=0), "more sub-leads are live than max_subleads"),
        (fewer(max_total_workers=0), "more workers are live than max_total_workers"),
        (fewer(max_depth=1), "somebody works deeper than max_depth"),
        (
            add(SUB, "users", 1),
            f"{SUB}: those who draw on its envelope are not those that are counted",
        ),
        (forgotten, f"{SUB}: nobody draws on its envelope, and it did not go back"),
    ],
)
def test_a_sentence_about_sub_leads_that_does_not_hold_is_said(
    change: Callable[[Run], None], sentence: str
) -> None:
    run = divided().run
    assert broken(run) == []
    change(run)
    assert sentence in broken(run)
