"""Words: names, times and states as people read them, safe to print on a terminal."""

import re
from collections.abc import Iterator, Sequence

from leadhand.domain.clock import Now
from leadhand.domain.ids import ActorId, short
from leadhand.domain.layers import lease_name
from leadhand.domain.rules.approval import open_questions
from leadhand.domain.state import Actor, Record, Wait
from leadhand.domain.text import one_line

# What moves the cursor, colors the screen, turns the direction of writing, or is no character.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def order(actor: ActorId) -> tuple[tuple[str, int], ...]:
    """The place of an actor among others: W2 comes before W10."""
    steps = [(step.rstrip("0123456789"), step) for step in actor.split("/")]
    return tuple((word, int(step[len(word) :] or 0)) for word, step in steps)


def plain(text: str) -> str:
    """A text of anybody's without what could take over a terminal; lines and tabs stay."""
    return _UNPRINTABLE.sub("\ufffd", text.replace("\r\n", "\n"))


def line(text: str, limit: int = 200) -> str:
    """A text of anybody's on one line, cut to `limit` characters, safe to print."""
    return plain(one_line(text, limit))


def clock(ms: int) -> str:
    """A duration for a column: `0:07`, `12:30`, `1:02:03`."""
    minutes, seconds = divmod(max(0, ms) // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def span(ms: int) -> str:
    """A duration for a sentence: `0.4 s`, `12 s`, `2 min 5 s`, `3 h 20 min`, `2 d 1 h`."""
    seconds = max(0, ms) / 1000
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    steps = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    left, parts = int(seconds), []
    for unit, size in steps:
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number} {unit}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts)


def counted(number: int, noun: str) -> str:
    """A number of things: `1 worker`, `3 workers`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(names: Sequence[str], limit: int = 5) -> str:
    """Names in a row: `W1`, `W1 and W2`, `W1, W2 and 7 more`."""
    shown = [*names[:limit]]
    if len(names) > limit:
        shown.append(f"{len(names) - limit} more")
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def names(actors: Sequence[ActorId]) -> str:
    """Actors in a row, by the last step of their paths."""
    return listed([short(each) for each in actors])


def model_name(model: str) -> str:
    """A model for people: of a script only its file's name, not where that is."""
    kind, colon, rest = model.partition(":")
    return line(f"{kind}:{rest.rpartition('/')[2]}" if colon and "/" in rest else model, 60)


def state_of(one: Actor | Record) -> str:
    """How an actor stands: queued, running, paused, frozen, checking, cancelling, or the status it
    settled with."""
    if isinstance(one, Record):
        return one.status
    if one.ending is not None:
        return "cancelling"
    if one.paused is not None:
        return "frozen" if one.paused.mode == "freeze" else "paused"
    if one.duty.claimed_at is not None:
        return "checking"
    return "queued" if one.started_at is None and one.role != "tasks" else "running"


def awaited(wait: Wait) -> Iterator[str]:
    """The entry or the lease that is waited for."""
    if wait.path:
        version = f" (version {wait.min_version})" if wait.min_version > 1 else ""
        yield f"{wait.path}{version}"
    if wait.lease:
        yield f"the lease {lease_name(wait.lease)}"


def doing(actor: Actor, now: Now) -> str:
    """What a live actor does at this moment, in a few words."""
    if actor.ending is not None:
        return line(actor.ending.reason, 100)
    if actor.paused is not None:
        why = f": {line(actor.paused.reason, 80)}" if actor.paused.reason else ""
        return f"for {span(now.run_ms - actor.paused.since)} by {actor.paused.by}{why}"
    if actor.halting:
        return "is interrupted for a new prompt"
    if actor.role == "tasks":
        return f"{counted(len(actor.live_children), 'task')} under way"
    if actor.duty.claimed_at is not None:
        return "its work is checked"
    if actor.deferral is not None:
        return f"waits for {actor.deferral.why}"
    if actor.call is not None and now.run_ms < actor.call.held_until:
        return f"waits for {actor.call.held}"
    if actor.call is not None:
        after = f" after {line(actor.last_step, 80)}" if actor.last_step else ""
        return f"asks {model_name(actor.model)}{after}"
    return busy(actor, now)


def busy(actor: Actor, now: Now) -> str:
    """What an actor does between its calls: it waits for an answer or for others, or its tools
    run."""
    if asked := next(open_questions(actor), None):
        return f"asks you {asked.id}: {line(asked.summary, 80)}"
    if actor.waits and len(actor.waits) == len(actor.tools):
        targets = {target for wait in actor.waits.values() for target in wait.targets}
        things = [each for wait in actor.waits.values() for each in awaited(wait)]
        return f"waits for {listed([*map(short, sorted(targets, key=order)), *things])}"
    steps = [tool.step or tool.tool for tool in actor.tools.values()]
    if steps:
        return line(steps[0], 100) + (f" (+{len(steps) - 1})" if len(steps) > 1 else "")
    if now.run_ms < actor.retry_at:
        return f"crashed; starts again in {span(actor.retry_at - now.run_ms)}"
    return line(actor.last_step, 100)
