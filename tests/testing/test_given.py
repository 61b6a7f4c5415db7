"""Given: the kit's own given, when, then."""

import pytest

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, CallId, worker_id
from leadhand.domain.manifest import HouseRules, Lead, Manifest, Settings
from leadhand.refusals import MaxWorkersExceeded, UnknownActor
from leadhand.testing import Given, given

MANIFEST = Manifest(
    Lead("lead", "Go.", Settings(model="claude-haiku-4-5")), house=HouseRules(max_workers=1)
)
SPAWN = c.SpawnActor(ROOT, CallId("c1"), "Work.")
AGAIN = c.SpawnActor(ROOT, CallId("c2"), "Work.")


def begun() -> Given:
    """A run that has begun."""
    return given().when(c.StartRun("run", MANIFEST)).then(e.RunStarted, e.ActorSpawned)


def test_events_are_compared_by_kind_or_whole() -> None:
    run = begun().when(SPAWN).then(e.ActorSpawned)
    reason = e.ActorEnding(ROOT, status="Cancelled", reason="stop", by="operator")
    run.when(c.CancelActor(ROOT, "stop")).then(e.ActorEnding, reason)


def test_a_refusal_is_given_with_its_words() -> None:
    refusal = begun().when(SPAWN, AGAIN).refused(MaxWorkersExceeded)
    assert str(refusal) == "max_workers exceeded: 1 active (max 1)"


def test_what_did_not_follow_fails() -> None:
    with pytest.raises(AssertionError, match="expected"):
        begun().when(SPAWN).then(e.ActorSettled)
    with pytest.raises(AssertionError, match="expected UnknownActor"):
        begun().when(SPAWN).refused(UnknownActor)
    with pytest.raises(AssertionError, match="refused: unknown actor"):
        begun().when(c.CancelActor(worker_id(ROOT, 9), "x")).then()


def test_an_event_that_breaks_an_invariant_fails() -> None:
    settings = Settings(model="m", timeout_secs=9, max_turns=1, max_tokens=1)
    many = [
        e.ActorSpawned(worker_id(ROOT, n), parent=ROOT, key=str(n), settings=settings)
        for n in (1, 2)
    ]
    with pytest.raises(AssertionError, match="more workers are live than there are places"):
        given(
            e.RunStarted(run_id="run", manifest=MANIFEST),
            e.ActorSpawned(ROOT, role="lead", envelope=10, settings=settings),
            *many,
        )


def test_time_is_set_by_hand() -> None:
    assert begun().at(5_000).now.run_ms == 5_000
