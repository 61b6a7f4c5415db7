"""Resumption: by which commands a run is taken up again, tried before the run is touched."""

from collections.abc import Iterable, Sequence

import msgspec

from leadhand.domain import commands as c
from leadhand.domain.clock import At, Now
from leadhand.domain.commands import Command
from leadhand.domain.decide import decide
from leadhand.domain.evolve import evolve
from leadhand.domain.rules.run import over, reopenable
from leadhand.domain.state import Run

# What an operator may ask for as a run is taken up again.
Change = c.ChangeHouse | c.MapPaths | c.CancelWorkers


def orders(
    run: Run, own: c.OwnRun, changes: Sequence[Change], now: Now
) -> tuple[list[Command], Run]:
    """The commands that take up a run in this order, and what is true after them; no command where
    it is over and stays so. Raises Refused where a change does not fit.

    House rules come first, since they may be what takes up a run that is over; the rest is told to
    those who live then.
    """
    first: list[Command] = [own, *(each for each in changes if isinstance(each, c.ChangeHouse))]
    then = tried(run, first, now)
    rest: list[Command] = [each for each in changes if not isinstance(each, c.ChangeHouse)]
    if reopenable(then):
        rest = [c.ReopenRun(), *rest]
    elif over(then):
        return [], run
    return first + rest, tried(then, rest, now)


def tried(run: Run, commands: Iterable[Command], now: Now) -> Run:
    """What would be true after these commands, in a copy of the run. Raises Refused."""
    then = msgspec.msgpack.decode(msgspec.msgpack.encode(run), type=Run)
    for command in commands:
        for event in decide(then, command, now):
            evolve(then, event, At(then.seq + 1, now))
    return then
