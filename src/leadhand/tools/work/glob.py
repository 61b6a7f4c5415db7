"""Glob: the tool that finds files by name, the last modified first."""

import asyncio
import os
import time
from itertools import takewhile
from typing import Annotated

from msgspec import Meta, Struct

from leadhand.refusals import InvalidArguments, ToolFailed
from leadhand.tool import Caller, Tool
from leadhand.tools.work import paths
from leadhand.tools.work.search import MAGIC, SKIPPED, Entry, Parts, Pattern, Walk

SHOWN_MAX = 100
WALK_SECS = 10.0


class GlobArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """What Glob takes."""

    pattern: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=4_096,
            description="Such as `**/*.py`, `src/*.{ts,tsx}`, or `*` for what a directory holds.",
        ),
    ]
    path: Annotated[str, Meta(description="The directory to look in; yours if left out.")] = "."


async def glob(caller: Caller, args: GlobArgs) -> str:
    """List what fits a pattern."""
    return await asyncio.to_thread(_glob, caller, args)


def _glob(caller: Caller, args: GlobArgs) -> str:
    names = args.pattern.split("/")
    fixed = list(takewhile(lambda name: not MAGIC.search(name), names[:-1]))
    rest = "/".join(names[len(fixed) :])
    start = "/".join(fixed) or ("/" if fixed else "")
    asked = args.path if not fixed else start
    if fixed and fixed[0] and args.path != ".":
        asked = f"{args.path}/{start}"
    base = directory(caller, asked)
    if ".." in rest.split("/"):
        raise InvalidArguments("pattern goes up with `..` after a wildcard.")
    try:
        pattern = Pattern(rest)
    except ValueError as error:
        raise InvalidArguments(f"{error}.") from None
    deep = "**" in rest.split("/")

    def enter(parts: Parts) -> bool:
        passed = parts[-1] in SKIPPED and parts[-1] not in pattern.literals
        return not passed and pattern.may_hold(parts)

    walk = Walk(base, enter, time.monotonic() + WALK_SECS)
    found = [e for e in walk if not (e.is_dir and deep) and pattern.matches(e.parts)]
    return _as_text(caller, args, base, found, walk.cut)


def directory(caller: Caller, asked: str) -> str:
    """A directory that the caller may look into, resolved."""
    real = paths.resolve(caller, asked)
    if real.is_dir():
        return str(real)
    what = paths.kind(real)
    if what == "nothing":
        raise ToolFailed(f"There is no directory {paths.shown(asked)}.", paths.alike(real))
    raise ToolFailed(f"{paths.shown(asked)} is {what}, not a directory.")


def _as_text(caller: Caller, args: GlobArgs, base: str, found: list[Entry], cut: str) -> str:
    found.sort(key=lambda entry: (-entry.modified_ns, entry.parts))
    root = os.path.realpath(caller.root)
    rows = []
    for entry in found[:SHOWN_MAX]:
        path = os.path.join(base, *entry.parts) + "/" * entry.is_dir  # noqa: PTH118
        rows.append(paths.shown(path.removeprefix(root.rstrip("/") + "/")))
    if not rows:
        rows.append(f"Nothing fits {paths.shown(args.pattern)}.")
        if "/" not in args.pattern and "**" not in args.pattern:
            rows.append(f"For any depth: **/{paths.shown(args.pattern)}")
    if len(found) > SHOWN_MAX:
        rows.append(f"(the newest {SHOWN_MAX} of {len(found)}; narrow the pattern for the others)")
    if cut:
        rows.append(f"({cut}; narrow the path or the pattern)")
    return "\n".join(rows)


TOOL = Tool(
    name="Glob",
    description=(
        "Find files by a pattern of names, the last modified first, at most "
        f"{SHOWN_MAX}. Without `**` directories are listed too, with a `/` at the end. Symlinks "
        f"are not followed; {', '.join(sorted(SKIPPED))} are passed over unless you name them."
    ),
    args=GlobArgs,
    roles=frozenset({"lead", "sublead", "worker"}),
    effect="reads",
    category="file",
    handler=glob,
)
