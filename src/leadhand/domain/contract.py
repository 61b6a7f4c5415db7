"""Contract: what the result of a unit of work must be, and what a worker and the runtime say of it.

A contract is demanded by who spawns; the runtime checks it and believes nobody.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from leadhand.domain.text import one_line

# How a worker says that its work ended.
Said = Literal["completed", "partial", "failed", "blocked"]
# What the runtime found: all that was demanded holds; nothing was; something does not hold.
Verdict = Literal["verified", "unverified", "refuted"]
Kind = Literal["status", "returns", "files", "changed", "forbid", "writes", "commands"]

ENTRIES_MAX = 100
COMMANDS_MAX = 20
PATH_MAX = 1_000
COMMAND_MAX = 10_000
PATTERN_MAX = 1_000
# Of all globs of a claim together: two claims are compared in the product of their lengths, by the
# engine itself.
GLOBS_MAX_CHARS = 1_000
SCHEMA_MAX_BYTES = 32_768
SCHEMA_DEPTH_MAX = 32
DETAIL_MAX = 500
# Seconds: of one command unless told, at most; and of all the checks of one actor.
COMMAND_SECS, COMMAND_MAX_SECS, CHECKS_SECS = 120, 300, 600

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


class Contract(Struct, frozen=True, omit_defaults=True):
    """What must hold at the end. Paths and globs are relative to where the worker works.

    returns: the JSON Schema, as JSON, of the value that its report must return. files: must exist
    and hold something. changed: must exist and differ from how they began. commands: must exit 0,
    each within command_timeout_secs. forbid: texts that must stand in no file that was named or
    changed, and not in its words. writes: globs of all that it may write.
    """

    returns: str = ""
    files: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    command_timeout_secs: int = COMMAND_SECS
    forbid: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()

    @property
    def demands(self) -> bool:
        """Whether anything is to be checked."""
        lists = (self.files, self.changed, self.commands, self.forbid, self.writes)
        return bool(self.returns) or any(lists)


NOTHING = Contract()


class Output(Struct, frozen=True, omit_defaults=True):
    """A file that a worker has made."""

    path: str
    description: str = ""


class Delivery(Struct, frozen=True, omit_defaults=True):
    """What a worker says that it has done. confidence: from 0 to 1. returns: the value that it
    returns, as JSON; empty where it returns none."""

    status: Said
    summary: str
    outputs: tuple[Output, ...] = ()
    files_changed: tuple[str, ...] = ()
    follow_ups: tuple[str, ...] = ()
    confidence: float | None = None
    returns: str = ""


class Evidence(Struct, frozen=True, omit_defaults=True):
    """What one check found. what: the path, command, text or glob that it is about."""

    kind: Kind
    what: str
    ok: bool
    detail: str = ""


def evidence(kind: Kind, what: str, ok: bool, detail: str = "") -> Evidence:
    """What a check found, as short as the log keeps it."""
    told = one_line(detail.encode(errors="backslashreplace").decode(), DETAIL_MAX)
    return Evidence(kind, one_line(what, DETAIL_MAX), ok, told)


def shown(found: Evidence) -> str:
    """One piece of evidence in a sentence."""
    more = f": {found.detail}" if found.detail else ""
    return f"{found.kind} {found.what}{more}"


def failing(found: Sequence[Evidence]) -> list[Evidence]:
    """What does not hold."""
    return [each for each in found if not each.ok]


def faults(contract: Contract) -> Iterator[tuple[Kind, int | None, str]]:
    """What is wrong with a contract: the key, the entry of it, and why. Whether its schema is a
    valid one is asked elsewhere, by what checks values against it."""
    if contract.returns:
        for why in schema_faults(contract.returns):
            yield "returns", None, why
    lists: tuple[tuple[Kind, tuple[str, ...], int, int], ...] = (
        ("files", contract.files, ENTRIES_MAX, PATH_MAX),
        ("changed", contract.changed, ENTRIES_MAX, PATH_MAX),
        ("commands", contract.commands, COMMANDS_MAX, COMMAND_MAX),
        ("forbid", contract.forbid, ENTRIES_MAX, PATTERN_MAX),
        ("writes", contract.writes, ENTRIES_MAX, PATH_MAX),
    )
    for kind, entries, most, longest in lists:
        if len(entries) > most:
            yield kind, None, f"has {len(entries)} entries, at most {most} are allowed"
            continue
        for number, entry in enumerate(entries):
            if why := entry_fault(kind, entry, longest):
                yield kind, number, why
    if (size := sum(map(len, contract.writes))) > GLOBS_MAX_CHARS:
        yield "writes", None, f"has {size} characters in all, at most {GLOBS_MAX_CHARS} are allowed"
    if not 1 <= contract.command_timeout_secs <= COMMAND_MAX_SECS:
        yield "commands", None, f"command_timeout_secs must be from 1 to {COMMAND_MAX_SECS}"


def entry_fault(kind: Kind, entry: str, longest: int) -> str:
    """Why an entry of a list is not possible; empty where it is."""
    if not entry.strip():
        return "must not be blank"
    if "\0" in entry:
        return "holds a NUL character"
    if len(entry) > longest:
        return f"has {len(entry)} characters, at most {longest} are allowed"
    if kind in ("files", "changed", "writes"):
        if entry.startswith(("/", "~", "\\")) or _DRIVE.match(entry):
            return "must be relative to the directory of the worker"
        if ".." in entry.split("/"):
            return "must stay inside the directory of the worker"
    return ""


def schema_faults(text: str) -> Iterator[str]:
    """What keeps a JSON Schema from being used, but whether it is one."""
    if len(text.encode()) > SCHEMA_MAX_BYTES:
        yield f"has {len(text.encode())} bytes, at most {SCHEMA_MAX_BYTES} are allowed"
        return
    try:
        schema = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        yield f"is no JSON: {one_line(str(error), 200)}"
        return
    if not isinstance(schema, dict):
        yield "must be a JSON Schema: an object"
        return
    depth, remote = looked_through(schema)
    if depth > SCHEMA_DEPTH_MAX:
        yield f"is nested deeper than {SCHEMA_DEPTH_MAX}"
    if remote:
        yield f"refers to {one_line(remote, 100)}: only references inside the schema are allowed"


def looked_through(schema: Any) -> tuple[int, str]:
    """How deep a schema is nested, and a reference of it that leads out of it."""
    level, depth, remote = [schema], 0, ""
    while level and depth <= SCHEMA_DEPTH_MAX:
        depth += 1
        inner: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                for key in ("$ref", "$dynamicRef", "$recursiveRef"):
                    target = each.get(key)
                    if isinstance(target, str) and not target.startswith("#"):
                        remote = remote or target
                inner += each.values()
            elif isinstance(each, list):
                inner += each
        level = [each for each in inner if isinstance(each, dict | list)]
    return depth + bool(level), remote
