"""Resumption: what is asked of a run that is taken up is tried first, and the run is untouched."""

from collections.abc import Sequence

import msgspec
import pytest

from leadhand.domain import commands as c
from leadhand.domain.ids import ROOT
from leadhand.domain.manifest import Settings
from leadhand.domain.state import Run
from leadhand.engine.resumption import Change, orders
from leadhand.refusals import BudgetExceeded, InvalidArguments, Settled
from tests.rules.test_house import poor, succeeded
from tests.rules.world import World

OWN = c.OwnRun(2, "next")
HOUSE = c.ChangeHouse(budget_nanousd=10**9)
MAP = c.MapPaths((("/old", "/new"),))
FRESH = c.CancelWorkers()


def taken_up(world: World, *changes: Change) -> tuple[list[c.Command], Run]:
    """The orders of a run, which stays as it is, and what they lead to."""
    before = msgspec.msgpack.encode(world.run)
    commands, then = orders(world.run, OWN, changes, world.now)
    assert msgspec.msgpack.encode(world.run) == before
    for command in commands:
        world.do(command)
    assert msgspec.msgpack.encode(world.run) == msgspec.msgpack.encode(then)
    return commands, then


def busy() -> World:
    """A run in mid-work."""
    world = World(lead=Settings(directory="/old"))
    world.admit(world.spawn())
    return world


def drained() -> World:
    """A run that was drained."""
    world = World(lead=Settings(directory="/old"))
    world.do(c.DrainRun())
    world.exit(outcome="failed")
    world.perform()
    return world


def test_a_run_is_only_owned_where_nothing_is_changed() -> None:
    assert taken_up(busy())[0] == [OWN]


def test_house_rules_come_first_whatever_was_said_first() -> None:
    assert taken_up(busy(), FRESH, MAP, HOUSE)[0] == [OWN, HOUSE, FRESH, MAP]


def test_a_drained_run_is_reopened_before_its_lead_is_told_of_its_paths() -> None:
    commands, then = taken_up(drained(), MAP)
    assert commands == [OWN, c.ReopenRun(), MAP]
    assert [mail.kind for mail in then.actors[ROOT].mail] == ["reopened", "paths"]


def test_a_run_that_ran_out_of_budget_is_reopened_by_a_raise_alone() -> None:
    assert taken_up(poor(), HOUSE)[0] == [OWN, HOUSE, c.ReopenRun()]
    assert taken_up(poor())[0] == []


@pytest.mark.parametrize("changes", [(), (FRESH,)])
def test_a_run_that_is_done_is_left_alone(changes: Sequence[Change]) -> None:
    world = succeeded()
    assert orders(world.run, OWN, changes, world.now) == ([], world.run)


@pytest.mark.parametrize(
    ("made", "change", "refusal"),
    [
        (busy, c.ChangeHouse(budget_nanousd=1), BudgetExceeded),
        (busy, c.MapPaths((("/elsewhere", "/new"),)), InvalidArguments),
        (drained, c.MapPaths((("/elsewhere", "/new"),)), InvalidArguments),
        (succeeded, HOUSE, Settled),
        (poor, c.ChangeHouse(max_workers=9), Settled),
    ],
)
def test_a_change_that_does_not_fit_is_refused_before_the_run_is_touched(
    made: type[World], change: Change, refusal: type[Exception]
) -> None:
    world = made()
    before = msgspec.msgpack.encode(world.run)
    with pytest.raises(refusal):
        orders(world.run, OWN, (change,), world.now)
    assert msgspec.msgpack.encode(world.run) == before
