"""Grep: the tool that finds lines by a regular expression, in a process that can be stopped."""

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from leadhand.errors import StoreError
from leadhand.processes import Finished
from leadhand.refusals import InvalidArguments, ToolFailed
from leadhand.spool import KEEP_BYTES_MAX
from leadhand.tool import Caller, Tool
from leadhand.tools.work import paths, search
from leadhand.tools.work.output import as_text, capped
from leadhand.tools.work.read import BLOB_PREFIX

SEARCH_SECS = 30.0
HEAD_LIMIT = 250
_CONTEXT_MAX = 100
_Context = Annotated[int, Meta(ge=0, le=_CONTEXT_MAX)]


class GrepArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """What Grep takes."""

    pattern: Annotated[
        str, Meta(min_length=1, max_length=65_536, description="A regular expression of Python.")
    ]
    path: Annotated[
        str,
        Meta(description="A file, a directory or a blob: pointer; your directory if left out."),
    ] = "."
    glob: Annotated[
        str, Meta(max_length=4_096, description="Only files so named: `*.py`, `src/**`, `!*.md`.")
    ] = ""
    output_mode: Annotated[
        Literal["content", "files_with_matches", "count"],
        Meta(description="Lines; or only the files, the last modified first; or lines per file."),
    ] = "files_with_matches"
    ignore_case: Annotated[bool, Meta(description="Ignore case.")] = field(default=False, name="-i")
    line_numbers: Annotated[bool, Meta(description="Number the lines (content).")] = field(
        default=True, name="-n"
    )
    after: Annotated[_Context, Meta(description="Lines to show after each match.")] = field(
        default=0, name="-A"
    )
    before: Annotated[_Context, Meta(description="Lines to show before each match.")] = field(
        default=0, name="-B"
    )
    around: Annotated[_Context, Meta(description="Lines to show around each match.")] = field(
        default=0, name="-C"
    )
    head_limit: Annotated[
        int, Meta(ge=0, description="Show so many rows at most; 0 for no limit.")
    ] = HEAD_LIMIT
    multiline: Annotated[
        bool, Meta(description="Let a match span lines; then `.` fits a line's end too.")
    ] = False


async def grep(caller: Caller, args: GrepArgs) -> str:
    """Show what matches."""
    if args.path.startswith(BLOB_PREFIX):
        try:
            data = await caller.blobs.get(args.path)
        except StoreError as error:
            raise ToolFailed(f"{paths.shown(args.path)} is not there: {error}") from None
        with tempfile.NamedTemporaryFile() as file:
            await asyncio.to_thread(_fill, file, data)
            return await _search(caller, args, file.name, args.path)
    base = await asyncio.to_thread(_base, caller, args.path)
    return await _search(caller, args, str(base), paths.relative(caller, base))


def _fill(file: Any, data: bytes) -> None:
    file.write(data)
    file.flush()


def _base(caller: Caller, asked: str) -> Path:
    real = paths.resolve(caller, asked)
    what = paths.kind(real)
    if what == "nothing":
        raise ToolFailed(f"There is no {paths.shown(asked)}.", paths.alike(real))
    if what not in ("a file", "a directory"):
        raise ToolFailed(f"{paths.shown(asked)} is {what}: not searched.")
    return real


async def _search(caller: Caller, args: GrepArgs, base: str, name: str) -> str:
    request = search.Request(
        base=base,
        pattern=args.pattern,
        glob=args.glob,
        output_mode=args.output_mode,
        ignore_case=args.ignore_case,
        multiline=args.multiline,
        before=args.before or args.around,
        after=args.after or args.around,
        head_limit=args.head_limit,
        secs=SEARCH_SECS,
    )
    program = [sys.executable, "-I", "-S", "-W", "ignore", str(search.__file__)]
    try:
        finished = await caller.processes.run(
            [*program, json.dumps(request._asdict())],
            actor_id=caller.actor_id,
            cwd=caller.root,
            env=caller.env,
            timeout_secs=SEARCH_SECS,
            keep_bytes=KEEP_BYTES_MAX,
        )
    except OSError as error:
        raise ToolFailed(f"The search cannot be started: {error.strerror or error}.") from None
    text = _as_text(args, "" if name == "." else name, finished)
    data = text.encode()
    return await capped(caller, text, data, len(data))


def _as_text(args: GrepArgs, name: str, finished: Finished) -> str:
    rows: list[str] = []
    files: list[tuple[int, str]] = []
    end: dict[str, Any] | None = None
    for line in finished.output.splitlines():
        try:
            kind, *values = json.loads(line)
        except ValueError:
            continue
        if kind == "error":
            raise InvalidArguments(f"pattern or glob: {values[0]}.")
        if kind == "end":
            end = values[0]
        elif kind == "gap":
            rows.append("--")
        else:
            path = paths.shown("/".join(part for part in (name, values[0]) if part))
            if kind == "file":
                files.append((-values[1], path))
            elif kind == "count":
                rows.append(f"{path}:{values[1]}")
            else:
                mark = ":" if kind == "match" else "-"
                number = f"{values[1]}{mark}" if args.line_numbers else ""
                rows.append(f"{path}{mark}{number}{values[2]}")
    files.sort()
    rows += [path for _, path in files[: args.head_limit or None]]
    if end is None and not finished.timed_out:
        raise ToolFailed(f"The search failed: {as_text(finished.output[-2_000:]).strip()}")
    return "\n".join([*(rows or ["Nothing matches."]), *_notes(args, end, len(files))])


def _notes(args: GrepArgs, end: dict[str, Any] | None, files: int) -> list[str]:
    """What has to be said about a search beside what it found."""
    if end is None:
        todo = "narrow path or glob, or simplify the pattern"
        return [f"(stopped after {SEARCH_SECS:.0f} s, so this may not be all: {todo})"]
    notes = []
    if end["more"] or (args.head_limit and files > args.head_limit):
        notes.append(f"(there is more: head_limit is {args.head_limit})")
    if end["cut"]:
        notes.append(f"({end['cut']}: narrow path or glob)")
    if end["huge"]:
        notes.append(
            f"({end['huge']} files of more than {search.FILE_MAX_BYTES} bytes not searched)"
        )
    if end["files"] == 0:
        notes.append("(no file was searched)")
    return notes


TOOL = Tool(
    name="Grep",
    description=(
        "Find lines by a regular expression in files, or in the rest of a long result (a blob: "
        "pointer as path). Binary files and "
        f"{', '.join(sorted(search.SKIPPED))} are passed over unless you name them."
    ),
    args=GrepArgs,
    roles=frozenset({"lead", "sublead", "worker"}),
    effect="reads",
    category="file",
    handler=grep,
)
