"""Happened: an event of a run as programs read it."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from leadhand.engine.log import Stamped
from leadhand.views import timeline


class Event(Struct, frozen=True):
    """What happened once. seq: its place in the run, from 1 without a gap. at: UTC. run_ms: how
    long the run had been worked on, in milliseconds. actor: whose it is, such as root/W1; empty
    for the run's own. type: as in `ActorSpawned`. data: the fields of that type which are set,
    money in nano-dollars. text: the event in a line of words."""

    seq: int
    at: datetime
    run_ms: int
    actor: str
    type: str
    data: dict[str, Any]
    text: str


def happened(stamped: Stamped) -> Event:
    """An event of the log for programs."""
    at, event = stamped.at, stamped.event
    fields = msgspec.to_builtins(event)
    return Event(
        seq=at.seq,
        at=datetime.fromtimestamp(at.now.wall_ms / 1000, UTC),
        run_ms=at.now.run_ms,
        actor=event.actor,
        type=type(event).__name__,
        data={key: value for key, value in fields.items() if key not in ("type", "actor")},
        text=timeline.entry(at, event).text,
    )
