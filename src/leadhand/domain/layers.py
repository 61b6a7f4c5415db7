"""Layers: where an entry of the shared store lies, and the laws of who may read and write there.

A lead and its workers are a layer. Its paths begin with one of four namespaces:
`/ref/` the lead writes, all read; `/peer/ACTOR/` that actor writes, it and the lead read;
`/shared/` all of the layer read and write; `/leases/` is for leases alone.
"""

import re

from msgspec import Struct

from leadhand.domain.ids import ActorId, short
from leadhand.domain.state import Run
from leadhand.refusals import InvalidArguments, NamespaceDenied

PATH_MAX = 512
NAME_MAX = 200
GRAMMAR = (
    "A path is /ref/..., /peer/self/..., /peer/ACTOR/... or /shared/..., of at most "
    f"{PATH_MAX} characters: names of ASCII letters, digits and . _ - + = , : @ ~ % with one / "
    "between them, as /shared/plan/part-1."
)
LAWS = {
    "ref": "/ref/ is written by the lead alone; all of its layer read it",
    "peer": "/peer/ACTOR/ is written by that actor alone; only it and its lead read it",
    "leases": "/leases/ is not read or written as entries",
}
# ASCII alone: of two names that look alike but differ, models would pick the wrong one.
_PARTS = re.compile(r"[A-Za-z0-9._+=,:@~%-]+(?:/[A-Za-z0-9._+=,:@~%-]+)*")
_STEP = re.compile(r"[A-Z]\d+")


class Place(Struct, frozen=True):
    """Where an entry lies. path: the one form under which it is kept. owner: whose it is, of
    `/peer/`."""

    layer: ActorId
    space: str
    path: str
    owner: ActorId = ActorId("")


def place(run: Run, caller: ActorId, text: str) -> Place:
    """The place that a path means to its caller. Raises InvalidArguments, NamespaceDenied."""
    layer = run.layer_of(caller)
    head, *rest = parts(text)
    if head == "leases":
        raise no_entries()
    if head not in ("ref", "peer", "shared") or not rest:
        raise InvalidArguments(f"there is no {text} in the store", GRAMMAR)
    if head != "peer":
        return Place(layer, head, f"/{head}/{'/'.join(rest)}")
    owner, rest = peer(layer, caller, rest)
    if not rest:
        raise InvalidArguments(f"{text} names an actor, but no entry of it", GRAMMAR)
    return Place(layer, head, f"/peer/{short(owner)}/{'/'.join(rest)}", owner)


def parts(text: str) -> list[str]:
    """The names between the slashes of a path. Raises InvalidArguments."""
    found = text[1:].split("/")
    fits = len(text) <= PATH_MAX and text.startswith("/") and _PARTS.fullmatch(text[1:])
    if not fits or "." in found or ".." in found:
        # It is not quoted: a hostile text stays out of messages.
        raise InvalidArguments("that is not a path of the store", GRAMMAR)
    return found


def peer(layer: ActorId, caller: ActorId, names: list[str]) -> tuple[ActorId, list[str]]:
    """Whose a path under `/peer/` is, and what follows: `self`, an actor's id or its last step.

    Decided by the names alone, so that nobody who is spawned later takes another's entries over.
    Raises NamespaceDenied for an actor that is not of the layer.
    """
    steps = layer.split("/")
    if names[0] == "self":
        owner, rest = caller, names[1:]
    elif names[: len(steps)] == steps:
        owner, rest = layer, names[len(steps) :]
    elif names[0] == steps[-1]:
        owner, rest = layer, names[1:]
    else:
        owner, rest = layer, names
        if not _STEP.fullmatch(names[0]):
            raise NamespaceDenied(f"there is no actor {names[0]} in your layer: {LAWS['peer']}")
    if owner == layer and rest and _STEP.fullmatch(rest[0]):
        owner, rest = ActorId(f"{layer}/{rest[0]}"), rest[1:]
        if not owner.startswith(f"{layer}/W"):
            raise NamespaceDenied(f"{owner} has a layer of its own: {LAWS['peer']}")
    return owner, rest


def may_read(where: Place, caller: ActorId) -> bool:
    """Whether the law lets an actor of the layer read there."""
    return where.space != "peer" or caller in (where.owner, where.layer)


def readable(run: Run, caller: ActorId, text: str) -> Place:
    """The place of a path that its caller may read. Raises InvalidArguments, NamespaceDenied."""
    where = place(run, caller, text)
    if not may_read(where, caller):
        raise NamespaceDenied(f"{where.path} is {where.owner}'s: {LAWS['peer']}")
    return where


def writable(run: Run, caller: ActorId, text: str) -> Place:
    """The place of a path that its caller may write. Raises InvalidArguments, NamespaceDenied."""
    where = place(run, caller, text)
    if where.space == "ref" and caller != where.layer:
        raise NamespaceDenied(f"{where.path} is not yours to write: {LAWS['ref']}")
    if where.space == "peer" and caller != where.owner:
        raise NamespaceDenied(f"{where.path} is not yours to write: {LAWS['peer']}")
    return where


def named(layer: ActorId, caller: ActorId, text: str) -> str:
    """The beginning or the pattern of paths, with an actor in it as entries are kept under it.
    Raises NamespaceDenied."""
    head, *names = text.removeprefix("/").split("/")
    if head == "leases":
        raise no_entries()
    steps = layer.split("/")
    if head != "peer" or not names:
        return text
    if names[0] == "self":
        names[0] = short(caller)
    elif names[: len(steps)] == steps:
        names = names[len(steps) - 1 :]
    if names[0] == steps[-1] and len(names) > 1 and _STEP.fullmatch(names[1]):
        names = names[1:]
    return f"/peer/{'/'.join(names)}"


def no_entries() -> NamespaceDenied:
    """The refusal of leases as entries."""
    return NamespaceDenied(
        LAWS["leases"],
        "Use lease_acquire and lease_release; run_lease_acquire and run_lease_release for leases "
        "of the whole run.",
    )


def owner_of(layer: ActorId, path: str) -> ActorId:
    """Whose an entry under `/peer/` is, by the path that it is kept under; empty for others."""
    _, space, name, *_ = path.split("/")
    if space != "peer":
        return ActorId("")
    return layer if name == short(layer) else ActorId(f"{layer}/{name}")


def lease_key(run: Run, caller: ActorId, name: str, run_wide: bool) -> str:
    """The key of the lease that a name means to its caller. Raises InvalidArguments."""
    plain = name.removeprefix("/leases/")
    if len(plain) > NAME_MAX or not _PARTS.fullmatch(plain):
        raise InvalidArguments(
            "that is not the name of a lease",
            f"A name has at most {NAME_MAX} ASCII letters, digits and . _ - + = , : @ ~ % with "
            "one / between them, as src/main.py.",
        )
    return f"{'' if run_wide else run.layer_of(caller)}|{plain}"


def lease_name(key: str) -> str:
    """The name of a lease, for people."""
    scope, _, name = key.partition("|")
    return name if scope else f"{name} (of the whole run)"
