"""Kit: runs as views see them, made by the real rules, and the money of a real price."""

from typing import Any

from leadhand.domain import events as e
from leadhand.domain.clock import At, Now
from leadhand.views.waiting import Scene
from leadhand.views.why import TELLING
from tests.rules.world import World, intent, manifest

HAIKU = "claude-haiku-4-5"
ESCAPES = "\x1b[2J\x1b]0;title\x07up\u202edown\r"


def world(**given: Any) -> World:
    """A run that has begun, with five dollars and a model that has a price."""
    house = {"budget_nanousd": 5_000_000_000, **given}
    return World(manifest(model=HAIKU, **house))


def asks(world: World, actor: str, *steps: str, tool: str = "Read") -> None:
    """One turn of an actor, whose answer asks for tool calls with these steps."""
    calls = [intent(f"{actor}:{step}", tool=tool) for step in steps]
    intents = [
        e.Intent(each.call, tool, "reads", step) for each, step in zip(calls, steps, strict=True)
    ]
    world.turn(actor, intents=tuple(intents))


def scene(world: World, held: str = "ann on desk, process 7") -> Scene:
    """What explanations need, as the `why` verb gives it."""
    happened = [(at, event) for event, at in world.log if isinstance(event, TELLING)]
    return Scene(world.now, held, "leadhand resume run", happened)


def at(seq: int = 1, wall_ms: int = 1_700_000_000_000, run_ms: int = 0) -> At:
    """A place in a log."""
    return At(seq, Now(wall_ms, run_ms))
