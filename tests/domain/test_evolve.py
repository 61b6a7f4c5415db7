"""Evolve: the log alone gives the run, and the run stays small."""

from typing import get_args

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.clock import At
from leadhand.domain.evolve import EVOLVE, evolve
from leadhand.domain.ids import ROOT, CallId
from leadhand.domain.state import Run
from tests.domain.lives import Life
from tests.rules.world import World

seeds = st.integers(0, 2**32)
LONG = "x" * 1_000_000


def test_every_event_is_in_the_table() -> None:
    assert set(EVOLVE) == set(get_args(e.AnyEvent))


@settings(max_examples=25)
@given(seeds)
def test_the_log_gives_the_run(seed: int) -> None:
    world = Life(seed).go(60).world
    assert world.refolded() == world.run


@settings(max_examples=15)
@given(seeds, st.integers(0, 60))
def test_a_snapshot_goes_on_as_the_run_does(seed: int, steps: int) -> None:
    life = Life(seed).go(steps)
    at = len(life.world.log)
    snapshot = msgspec.msgpack.decode(msgspec.msgpack.encode(life.world.run), type=Run)
    assert snapshot == life.world.run
    life.go(20)
    for event, when in life.world.log[at:]:
        evolve(snapshot, event, when)
    assert snapshot == life.world.run


def test_a_run_knows_its_last_event_and_its_time() -> None:
    world = World()
    world.later(secs=7)
    world.do(c.DrainRun())
    assert world.run.seq == len(world.log)
    assert world.run.run_ms == 7_000


def test_long_texts_stay_in_the_log() -> None:
    world = World(max_workers=9, budget_nanousd=10**9)
    worker = world.spawn(prompt=LONG, label=LONG)
    step = e.Intent(CallId("t"), LONG, "effects", LONG)
    world.admit(worker)
    world.answer(worker, words=LONG, intents=(step,))
    world.do(c.RecordToolResult(worker, CallId("t"), LONG))
    world.do(c.RecordCut(worker, world.admit(worker).call, LONG))
    world.do(c.RecordCrash(worker, LONG))
    world.exit(worker, "failed", LONG, LONG)
    world.turn(words=LONG, intents=(step,))
    world.do(c.CancelActor(world.spawn(), LONG))
    world.do(c.CancelRun(LONG))
    size = len(msgspec.json.encode(world.run))
    assert size < 10_000


def test_a_run_holds_of_each_settled_worker_only_its_record() -> None:
    world = World(max_workers=1)
    sizes = []
    for _ in range(30):
        worker = world.spawn()
        world.turn(worker, words="w" * 1_000)
        world.exit(worker, final="f" * 5_000)
        sizes.append(len(msgspec.json.encode(world.run)))
    assert sizes[-1] - sizes[-2] < 1_500


def test_an_event_of_the_log_is_read_with_the_defaults_of_what_it_does_not_say() -> None:
    run = Run()
    old = msgspec.json.decode(b'{"type":"RunOwned","epoch":1}', type=e.AnyEvent)
    evolve(run, old, At(1, World().now))
    assert (run.epoch, run.owner) == (1, "")


def test_the_root_is_the_actor_that_every_run_begins_with() -> None:
    assert [*World().run.actors] == [ROOT]
