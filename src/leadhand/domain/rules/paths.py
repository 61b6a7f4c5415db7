"""Paths: how a run goes on where its directories have moved."""

from collections.abc import Iterator

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain import notices, places
from leadhand.domain.clock import At, Now
from leadhand.domain.state import ModelSpend, Run
from leadhand.refusals import InvalidArguments

SHOWN_MAX = 8


def map_paths(run: Run, command: c.MapPaths, now: Now) -> list[e.Event]:
    """Read what begins with an old path as the new one, from now on, and tell who lives.

    A pair that was mapped before changes nothing. Raises InvalidArguments where no path of the
    run begins with an old one.
    """
    known = dict.fromkeys(known_paths(run))
    pairs = []
    for pair in command.pairs:
        if any(places.inside(path, pair[0]) for path in known):
            pairs.append(pair)
        elif pair not in run.moves:
            raise unknown(pair[0], [*known])
    if not pairs:
        return []
    mapped = tuple(pairs)
    events: list[e.Event] = [e.PathsMapped(pairs=mapped)]
    for actor in run.actors.values():
        events.append(e.PathsMapped(actor.id, pairs=mapped))
        if actor.ending is None:
            events.append(notices.notice(actor, "paths", notices.paths_moved(mapped)))
    return events


def known_paths(run: Run) -> Iterator[str]:
    """The paths that a run works with."""
    if run.manifest is not None:
        yield from places.paths(run.manifest.every_settings())
        yield from (each.directory for each in run.manifest.mcp_servers if each.directory)
    for actor in run.actors.values():
        yield from places.of(actor.directory, actor.add_dirs, actor.model)


def unknown(old: str, known: list[str]) -> InvalidArguments:
    """The refusal of a path that the run has nothing in."""
    listed = ", ".join(each[:200] for each in known[:SHOWN_MAX]) or "none"
    more = f" and {len(known) - SHOWN_MAX} more" if len(known) > SHOWN_MAX else ""
    return InvalidArguments(
        f"no path of this run begins with {old[:200]}", f"Its paths are: {listed}{more}."
    )


def evolve_mapped(run: Run, event: e.PathsMapped, at: At) -> None:
    """Move an actor, or all that the run itself keeps by path."""
    actor = run.actors.get(event.actor)
    if actor is not None:
        actor.directory = places.moved(actor.directory, event.pairs)
        actor.add_dirs = tuple(places.moved(each, event.pairs) for each in actor.add_dirs)
        actor.model = places.moved_model(actor.model, event.pairs)
        actor.settings = places.moved_settings(actor.settings, event.pairs)
    if event.actor or run.manifest is None:
        return
    run.manifest = places.moved_manifest(run.manifest, event.pairs)
    run.moves += [pair for pair in event.pairs if pair not in run.moves]
    for record in run.records.values():
        record.model = places.moved_model(record.model, event.pairs)
        record.settings = places.moved_settings(record.settings, event.pairs)
    before, run.models = run.models, {}
    for model, spend in before.items():
        name = places.moved_model(model, event.pairs)
        run.models[name] = added(run.models.get(name, ModelSpend()), spend)
    run.overheads = {
        places.moved_model(model, event.pairs): tokens for model, tokens in run.overheads.items()
    }
    before_history, run.history = run.history, {}
    for kind, costs in before_history.items():
        agent, _, model = kind.partition("|")
        run.history[f"{agent}|{places.moved_model(model, event.pairs)}"] = costs


def added(one: ModelSpend, other: ModelSpend) -> ModelSpend:
    """What two names of one model have cost."""
    return ModelSpend(
        one.calls + other.calls,
        one.usage.plus(other.usage),
        one.spent + other.spent,
        one.saved + other.saved,
    )
