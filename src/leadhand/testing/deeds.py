"""Deeds: the tool calls that simulated leads and workers make, with and without sense."""

from collections.abc import Callable
from random import Random
from typing import Any

from leadhand.model import Request

MODELS = ("script:cheap", "script:dear")
LONG = 70_000
Call = tuple[str, dict[str, Any]]


def spawn(dice: Random, known: list[str] | None = None, budget: float | None = None) -> Call:
    """A spawn of any kind, sensible or not."""
    args: dict[str, Any] = {"prompt": "Do it.", **demands(dice)}
    if dice.random() < 0.3:
        args["label"] = dice.choice(("a", "b"))
    if dice.random() < 0.15:
        args["key"] = dice.choice(("one", "two"))
    if dice.random() < 0.15:
        args["agent"] = dice.choice(("helper", "helper", "nobody"))
    if dice.random() < 0.3:
        args["model"] = dice.choice((*MODELS, *MODELS, "nothing-we-know"))
    if dice.random() < 0.2:
        args["timeout_secs"] = dice.choice((1, 5, 60))
    if dice.random() < 0.2:
        args["max_turns"] = dice.choice((1, 2, 10))
    if budget is not None or dice.random() < 0.25:
        args["budget_usd"] = budget or dice.choice((0.0001, 0.002, 0.01, 0.05, 3.0))
    return "spawn_worker", args


def spawn_any(request: Request, dice: Random, known: list[str] | None = None) -> Call:
    """A spawn of a worker, or of a sub-lead by one who may."""
    if may_divide(request) and dice.random() < 0.4:
        return spawn_sublead(dice)
    return spawn(dice, known)


def spawn_sublead(dice: Random) -> Call:
    """A spawn of a sub-lead, sensible or not."""
    args: dict[str, Any] = {"prompt": "Lead it."}
    if dice.random() < 0.15:
        args["key"] = dice.choice(("one", "two", "three"))
    if dice.random() < 0.3:
        args["budget_usd"] = dice.choice((0.001, 0.02, 0.1, 0.5, 2.0, 30.0))
    if dice.random() < 0.7:
        args["max_workers"] = dice.choice((1, 1, 2, 3, 9))
    if dice.random() < 0.2:
        args["lead_timeout_secs"] = dice.choice((1, 20, 100_000))
    if dice.random() < 0.2:
        args["read_down"] = dice.random() < 0.7
    if dice.random() < 0.2:
        args["env"] = dice.choice(({"PHASE": "two"}, {"PATH": "/"}, {}))
    if dice.random() < 0.3:
        args["initial_ref"] = {"spec": dice.choice((1, "x" * LONG)), "/ref/n": [None]}
    return "spawn_sublead", args


def may_divide(request: Request) -> bool:
    """Whether a lead may have leads of its own."""
    return any(tool.name == "spawn_sublead" for tool in request.tools)


def wait(dice: Random, known: list[str]) -> Call:
    """A wait for one, by any of its names."""
    name = dice.choice([*known, *known, *known, "root/W9", "a", "W1"])
    args: dict[str, Any] = {dice.choice(("worker_id", "task_id", "actor_id")): name}
    if dice.random() < 0.4:
        args["timeout_secs"] = dice.choice((0, 1, 30))
    return dice.choice(("wait_actor", "wait_for_worker", "mcp__leadhand__wait_actor")), args


def wait_any(dice: Random, known: list[str]) -> Call:
    """A wait for the first of some."""
    some = dice.sample(known, dice.randint(0, len(known)))
    return "wait_for_any", {dice.choice(("worker_ids", "task_ids")): some}


def cancel(dice: Random, known: list[str]) -> Call:
    """A cancel of one that is there, or not."""
    return "cancel_worker", {"worker_id": dice.choice([*known, *known, "W7", "root"])}


def pause(dice: Random, known: list[str]) -> Call:
    """A pause of either kind."""
    name = dice.choice([*known, *known, *known, "W7"])
    return "pause_worker", {"worker_id": name, "mode": dice.choice(("cancel", "freeze", "cancel"))}


def go_on(dice: Random, known: list[str]) -> Call:
    """A continue of one that is paused, settled, or at work."""
    args = {"worker_id": dice.choice([*known, "W1"])}
    return "continue_worker", args | ({"prompt": "Go on."} if dice.random() < 0.5 else {})


def reprompt(dice: Random, known: list[str]) -> Call:
    """A reprompt."""
    return "reprompt_worker", {"worker_id": dice.choice([*known, "W1"]), "prompt": "Otherwise."}


def tell(dice: Random, known: list[str]) -> Call:
    """A message."""
    return "send", {"worker_id": dice.choice([*known, "W1", "root"]), "message": "By the way."}


def look(dice: Random, known: list[str]) -> Call:
    """A look around."""
    name = dice.choice([*known, "W1"])
    return dice.choice(
        (("list_workers", {}), ("house_rules", {}), ("worker_status", {"worker_id": name}))
    )


def nonsense(dice: Random, known: list[str]) -> Call:
    """A call that no tool takes."""
    return dice.choice((("spawn_worker", {}), ("fly", {}), ("wait_actor", {"timeout_secs": -1})))


def says(dice: Random) -> tuple[Call, ...]:
    """A worker's report, true or not, at times beside other calls, or none that a tool takes."""
    status = dice.choice(("completed", "completed", "completed", "partial", "failed", "blocked"))
    args: dict[str, Any] = {"status": status, "summary": f"It is {status}."}
    if dice.random() < 0.4:
        args["returns"] = dice.choice((1, "one", None))
    if dice.random() < 0.1:
        args["status"] = "perhaps"
    other = (("Note", {"secs": 0.1}),) if dice.random() < 0.2 else ()
    return (*other, ("report", args)) if dice.random() < 0.5 else (("report", args), *other)


def demands(dice: Random) -> dict[str, Any]:
    """What a spawn demands: mostly nothing."""
    # Dice of its own, so that what else a seed means stays as it was.
    own = Random(str(dice.getstate()[1][:3]))
    kind = own.random()
    if kind < 0.12:
        return {"files": ["out.md"]}
    if kind < 0.2:
        return {"returns": {"type": "integer"}, "commands": ["make test"]}
    if kind < 0.28:
        return {"writes": own.choice((["src/**"], ["src/a"], ["doc/*"])), "tools": ["Write"]}
    if kind < 0.3:
        return {"files": ["/outside"]}
    return {}


def notes(dice: Random) -> tuple[Call, ...]:
    """One note or several at once."""
    return tuple(note(dice, []) for _ in range(dice.choice((1, 1, 2, 3))))


def note(dice: Random, known: list[str]) -> Call:
    """A call of the tool whose repetition would be seen."""
    ending = dice.choices(("fine", "refused", "broken"), (20, 1, 1))[0]
    return "Note", {"secs": round(dice.choice((0, 0, 0.2, 5)) * dice.random(), 3), "ending": ending}


DEEDS: dict[str, Callable[[Random, list[str]], Call]] = {
    "spawn": spawn,
    "wait": wait,
    "wait_any": wait_any,
    "cancel": cancel,
    "pause": pause,
    "go_on": go_on,
    "reprompt": reprompt,
    "tell": tell,
    "look": look,
    "note": note,
    "nonsense": nonsense,
}
