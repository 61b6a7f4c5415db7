"""Kv: the entries that a lead and its workers share, each with a version that rises.

State knows where a value is, never the value.
"""

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain import layers
from leadhand.domain.clock import At, Now
from leadhand.domain.state import Entry, Layer, Run
from leadhand.refusals import Settled, StoreFull, VersionDiffers

VALUE_MAX = 256 * 1024
INLINE_MAX = 4 * 1024
LAYER_MAX = 64 * 1024 * 1024
ENTRIES_MAX = 10_000


def put(run: Run, command: c.PutEntry, now: Now) -> list[e.Event]:
    """Write an entry; the same call writes once.

    Raises Settled, InvalidArguments, NamespaceDenied, StoreFull, VersionDiffers.
    """
    actor = run.actors.get(command.actor)
    if actor is None:
        raise Settled(f"{command.actor} has settled")
    if run.has_done(actor.id, command.call):
        return []
    where = layers.writable(run, actor.id, command.path)
    layer = run.layers.get(where.layer, Layer())
    before = layer.entries.get(where.path)
    version = before.version if before else 0
    if command.expected_version not in (None, version):
        raise VersionDiffers(
            f"{where.path} has version {version}, expected was {command.expected_version}"
        )
    size = command.size if command.blob else len(command.value.encode())
    check_room(layer, before, where.path, size)
    return [
        e.EntryPut(
            actor.id,
            call=command.call,
            layer=where.layer,
            path=where.path,
            version=version + 1,
            size=size,
            value=command.value,
            blob=command.blob,
        )
    ]


def check_size(path: str, size: int) -> None:
    """Refuse a value that is too long. Raises StoreFull."""
    if size > VALUE_MAX:
        raise StoreFull(
            f"the value of {path} has {size} bytes, at most {VALUE_MAX} are kept",
            "Write it to a file and keep its path, or keep it in several entries.",
        )


def check_room(layer: Layer, before: Entry | None, path: str, size: int) -> None:
    """Refuse what the layer has no room for. Raises StoreFull."""
    check_size(path, size)
    used = layer.size - (before.size if before else 0)
    if used + size > LAYER_MAX:
        raise StoreFull(
            f"your layer's store is full: {layer.size} of {LAYER_MAX} bytes are used, {path} "
            f"needs {size}"
        )
    if before is None and len(layer.entries) >= ENTRIES_MAX:
        raise StoreFull(f"your layer's store is full: it has {ENTRIES_MAX} entries, the most")


def wait_for(run: Run, command: c.AwaitEntry, now: Now) -> list[e.Event]:
    """Wait for an entry; the same call goes on with the wait that it began.

    Raises Settled, InvalidArguments, NamespaceDenied.
    """
    actor = run.actors.get(command.actor)
    if actor is None:
        raise Settled(f"{command.actor} has settled")
    if command.call in actor.waits:
        return []
    where = layers.readable(run, actor.id, command.path)
    return [
        e.WaitOpened(
            actor.id,
            call=command.call,
            until=actor.may_wait_until(now.run_ms, command.timeout_secs),
            layer=where.layer,
            path=where.path,
            min_version=max(1, command.min_version),
        )
    ]


def evolve_put(run: Run, event: e.EntryPut, at: At) -> None:
    """Remember where the value is, and what it takes."""
    layer = run.layers.setdefault(event.layer, Layer())
    before = layer.entries.get(event.path)
    layer.size += event.size - (before.size if before else 0)
    layer.entries[event.path] = Entry(event.version, at.seq, event.size, event.actor)
    run.done(event.actor, event.call, event.version)
