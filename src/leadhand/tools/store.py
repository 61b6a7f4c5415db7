"""Store: the tools by which a lead and its workers share entries, and wait for them."""

from fnmatch import fnmatchcase
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain import layers
from leadhand.domain.ids import ActorId
from leadhand.domain.layers import Place
from leadhand.domain.rules import kv
from leadhand.domain.rules.actor import find
from leadhand.domain.state import Entry, Layer, Run
from leadhand.errors import Bug
from leadhand.harness import Owner
from leadhand.refusals import InvalidArguments, NamespaceDenied, VersionDiffers
from leadhand.tool import EVERYONE, Blobs, Caller, Effect, Handler, Tool
from leadhand.tools.wait import Seconds, hold

LISTED_MAX = 1_000
DESCRIPTIONS = {
    "kv_get": "Read an entry of the store that you share with your team.",
    "kv_set": "Write an entry: /shared/... is for all of your team, /ref/... is the lead's to "
    "write and all may read it, /peer/self/... is for you and your lead.",
    "kv_cas": "Write an entry only if it still has the version that you read; else swapped is "
    "false and you get the present one. Use it where others write the same entry.",
    "kv_list": "The entries that you may read, without their values.",
    "kv_wait": "Wait until an entry is there, or has a version, and get it. Where the wait ends "
    "early, settled is false and the answer says why.",
}
Path = Annotated[str, Meta(description="As /shared/plan, /ref/spec, /peer/self/notes.")]
Below = Annotated[
    str, Meta(description="A sub-lead that lets you read down: as it reads in its own store.")
]
Value = Annotated[Any, Meta(description="Text or any JSON, at most 256 KiB.")]

_encoder = msgspec.json.Encoder()


class KvGet(Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of kv_get."""

    path: Path
    sublead: Below = ""


class KvSet(Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of kv_set."""

    path: Path
    value: Value


class KvCas(Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of kv_cas."""

    path: Path
    expected_version: Annotated[
        int, Meta(ge=0, description="The version that you read; 0: there is no entry yet.")
    ]
    value: Value


class KvList(Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of kv_list."""

    prefix: Annotated[str, Meta(description="What paths begin with; all where left out.")] = "/"
    glob: Annotated[
        str, Meta(description="A pattern of whole paths, as /peer/*/status; ** is any depth.")
    ] = ""
    sublead: Below = ""


class KvWait(Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of kv_wait."""

    path: Path
    min_version: Annotated[
        int, Meta(ge=1, description="Wait for this version; default 1: until it exists.")
    ] = 1
    timeout_secs: Seconds = None


class Got(Struct, frozen=True, omit_defaults=True):
    """An entry, or that there is none. value: its JSON."""

    path: str
    found: bool
    value: Raw = Raw()
    version: int = 0
    writer: str = ""


class Put(Struct, frozen=True):
    """An entry that was written."""

    path: str
    version: int


class Swapped(Struct, frozen=True, omit_defaults=True):
    """Whether a compare succeeded; else the present version and value."""

    path: str
    swapped: bool
    version: int
    value: Raw = Raw()


class Listed(Struct, frozen=True):
    """An entry without its value. size: bytes of its JSON."""

    path: str
    version: int
    size: int
    writer: ActorId


class Entries(Struct, frozen=True, omit_defaults=True):
    """Entries in the order of their paths. more: there are others beyond."""

    entries: list[Listed]
    more: bool = False


class Awaited(Struct, frozen=True, omit_defaults=True):
    """An entry that was waited for, or why the wait ended early and how to go on."""

    settled: bool
    path: str
    value: Raw = Raw()
    version: int = 0
    writer: str = ""
    why: str = ""
    next: str = ""


def store_tools(owner: Owner) -> list[Tool]:
    """The tools, for one run."""

    async def kv_get(caller: Caller, args: KvGet) -> Got:
        me = reading_as(owner.run, caller.actor_id, args.sublead)
        where = layers.readable(owner.run, me, args.path)
        entry = entry_at(owner.run, where)
        if entry is None:
            return Got(where.path, found=False)
        version, writer = entry.version, entry.writer
        value = await value_of(owner, caller.blobs, entry)
        return Got(where.path, True, value, version, writer)

    async def kv_set(caller: Caller, args: KvSet) -> Put:
        path, version = await written(owner, caller, args.path, args.value)
        return Put(path, version)

    async def kv_cas(caller: Caller, args: KvCas) -> Swapped:
        try:
            path, version = await written(
                owner, caller, args.path, args.value, args.expected_version
            )
        except VersionDiffers:
            where = layers.writable(owner.run, caller.actor_id, args.path)
            entry = entry_at(owner.run, where)
            if entry is None:
                return Swapped(where.path, swapped=False, version=0)
            value = await value_of(owner, caller.blobs, entry)
            return Swapped(where.path, False, entry.version, value)
        return Swapped(path, swapped=True, version=version)

    async def kv_list(caller: Caller, args: KvList) -> Entries:
        return listed(owner.run, reading_as(owner.run, caller.actor_id, args.sublead), args)

    async def kv_wait(caller: Caller, args: KvWait) -> Awaited:
        me = caller.actor_id
        where = layers.readable(owner.run, me, args.path)
        command = c.AwaitEntry(me, caller.call_id, args.path, args.min_version, args.timeout_secs)
        await owner.submit(command)
        why = await hold(owner, caller)
        if why != "settled":
            then = "Call again to go on waiting, or go on without it."
            return Awaited(settled=False, path=where.path, why=why, next=then)
        entry = entry_at(owner.run, where)
        assert entry is not None
        value = await value_of(owner, caller.blobs, entry)
        return Awaited(True, where.path, value, entry.version, entry.writer)

    return [
        _tool(kv_get, KvGet, "reads"),
        _tool(kv_set, KvSet, "keyed"),
        _tool(kv_cas, KvCas, "keyed"),
        _tool(kv_list, KvList, "reads"),
        _tool(kv_wait, KvWait, "reads"),
    ]


def _tool(handler: Handler, args: type[Struct], effect: Effect) -> Tool:
    """A tool with the name of its handler."""
    name = handler.__name__
    return Tool(name, DESCRIPTIONS[name], args, EVERYONE, effect, "orchestration", handler)


def reading_as(run: Run, caller: ActorId, sublead: str) -> ActorId:
    """With whose eyes an actor reads: its own, or those of a sub-lead that it sees and that lets
    it read down. Raises UnknownActor, NamespaceDenied."""
    if not sublead:
        return caller
    found = find(run, sublead, caller, reads=True)
    one = run.actors.get(found) or run.records[found]
    if not one.read_down:
        raise NamespaceDenied(
            f"the store of {found} is not yours to read: it was not spawned with read_down",
            "Wait for it: its final message comes to you whole.",
        )
    return found


def entry_at(run: Run, where: Place) -> Entry | None:
    """The entry of a place, if there is one."""
    return run.layers.get(where.layer, Layer()).entries.get(where.path)


async def written(
    owner: Owner, caller: Caller, path: str, value: Any, expected_version: int | None = None
) -> tuple[str, int]:
    """Write an entry; where it is kept, and its version. Raises Refused."""
    me = caller.actor_id
    where = layers.writable(owner.run, me, path)
    text, blob, size = await kept(caller, where.path, value)
    command = c.PutEntry(me, caller.call_id, path, text, blob, size, expected_version)
    for event in await owner.submit(command):
        if isinstance(event, e.EntryPut):
            return event.path, event.version
    # This call has written it before its answer was lost.
    return where.path, owner.run.has_done(me, caller.call_id)


async def kept(caller: Caller, path: str, value: Any) -> tuple[str, str, int]:
    """A value as the log keeps it: its JSON, or the blob of a long one, and its bytes. Raises
    StoreFull."""
    data = _encoder.encode(value)
    kv.check_size(path, len(data))
    if len(data) > kv.INLINE_MAX:
        return "", await caller.blobs.put(data), len(data)
    return data.decode(), "", len(data)


async def value_of(owner: Owner, blobs: Blobs, entry: Entry) -> Raw:
    """The value of an entry, as JSON."""
    event = await owner.event(entry.seq)
    if not isinstance(event, e.EntryPut):
        raise Bug(f"event {entry.seq} is no entry")
    return Raw(await blobs.get(event.blob) if event.blob else event.value.encode())


def listed(run: Run, me: ActorId, args: KvList) -> Entries:
    """The entries of the caller's layer that it may read and that fit, by path."""
    layer = run.layer_of(me)
    prefix, pattern = args.prefix, args.glob
    if max(len(prefix), len(pattern)) > layers.PATH_MAX:
        raise InvalidArguments(f"a pattern is longer than {layers.PATH_MAX} characters")
    prefix, wanted = layers.named(layer, me, prefix), layers.named(layer, me, pattern).split("/")
    found: list[Listed] = []
    for path, entry in sorted(run.layers.get(layer, Layer()).entries.items()):
        if not path.startswith(prefix) or (pattern and not matches(path.split("/"), wanted)):
            continue
        owner = layers.owner_of(layer, path)
        if owner and me not in (owner, layer):
            continue
        if len(found) == LISTED_MAX:
            return Entries(found, more=True)
        found.append(Listed(path, entry.version, entry.size, entry.writer))
    return Entries(found)


def matches(names: list[str], pattern: list[str]) -> bool:
    """Whether a path fits a pattern, name by name; `**` is any number of names."""
    # For each beginning of the pattern, whether the names so far fit it.
    fits = [True]
    for wanted in pattern:
        fits.append(fits[-1] and wanted == "**")
    for name in names:
        then = [False]
        for at, wanted in enumerate(pattern):
            if wanted == "**":
                then.append(fits[at + 1] or then[at])
            else:
                then.append(fits[at] and fnmatchcase(name, wanted))
        fits = then
    return fits[-1]
