"""Edit: the tool that replaces a piece of a file, found by its exact text."""

import asyncio
import os
import re
from typing import Annotated

from msgspec import Meta, Struct

from leadhand.refusals import InvalidArguments, ToolFailed
from leadhand.tool import Caller, Tool
from leadhand.tools.work import paths
from leadhand.tools.work.read import binary_kind
from leadhand.tools.work.write import encoded, lock, replace, tidy, writable

SIZE_MAX = 33_554_432
_AROUND_LINES = 3
_SNIPPET_LINES = 20
_SNIPPET_CHARS = 200
_NUMBERED = re.compile(rb"\s*\d+\t")


class EditArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """What Edit takes."""

    file_path: Annotated[str, Meta(description="The file, relative to your directory or absolute.")]
    old_string: Annotated[
        str,
        Meta(description="The text to replace, exactly as the file has it, without line numbers."),
    ]
    new_string: Annotated[str, Meta(description="The text to put in its place.")]
    replace_all: Annotated[
        bool, Meta(description="Replace every occurrence; else there must be exactly one.")
    ] = False


async def edit(caller: Caller, args: EditArgs) -> str:
    """Replace a piece of a file."""
    old, new = encoded(args.old_string, "old_string"), encoded(args.new_string, "new_string")
    if not old:
        raise InvalidArguments("old_string is empty.", "To make a file use Write.")
    if old == new:
        raise InvalidArguments("old_string and new_string are the same.")
    return await asyncio.to_thread(_edit, caller, args, old, new)


def _edit(caller: Caller, args: EditArgs, old: bytes, new: bytes) -> str:
    real = writable(caller, args.file_path)
    with lock(real):
        data = _content(caller, args.file_path)
        if old not in data and b"\r\n" in data and b"\r" not in old:
            old, new = old.replace(b"\n", b"\r\n"), new.replace(b"\n", b"\r\n")
        at = data.find(old)
        if at < 0:
            raise _not_found(args.file_path, data, old)
        again = data.find(old, at + 1)
        if again >= 0 and not args.replace_all:
            raise _not_unique(args.file_path, data, old, at)
        count = data.count(old) if args.replace_all else 1
        data = data.replace(old, new, count)
        replace(caller, real, args.file_path, data)
    times = "1 place" if count == 1 else f"{count} places"
    return f"Edited {paths.relative(caller, real)} in {times}:\n{_snippet(data, at, len(new))}"


def _content(caller: Caller, path: str) -> bytes:
    opened = paths.open_file(caller, path)
    with os.fdopen(opened.fd, "rb") as file:
        data = file.read(SIZE_MAX + 1)
    if len(data) > SIZE_MAX:
        raise ToolFailed(f"{paths.shown(path)} has more than {SIZE_MAX} bytes: too much for Edit.")
    if what := binary_kind(data[:8_192]):
        raise ToolFailed(f"{paths.shown(path)} is {what}: not text that Edit could change.")
    return data


def _not_found(path: str, data: bytes, old: bytes) -> ToolFailed:
    name = paths.shown(path)
    message = f"old_string is not in {name}."
    lines = old.splitlines()
    if all(_NUMBERED.match(line) for line in lines):
        return ToolFailed(message, "Leave out the line numbers that Read puts before each line.")
    wanted = [line.split() for line in lines if line.strip()]
    there = [(n, line.split()) for n, line in enumerate(data.splitlines(), 1) if line.strip()]
    for start in range(len(there) - len(wanted) + 1 if wanted else 0):
        if [words for _, words in there[start : start + len(wanted)]] == wanted:
            line = there[start][0]
            todo = f"Line {line} has it with other white space: copy that exactly (Read)."
            return ToolFailed(message, todo)
    first = next((n for n, words in there if wanted and words == wanted[0]), 0)
    near = (
        f" Its first line is line {first} of the file; what follows there differs." if first else ""
    )
    return ToolFailed(message + near, "Read the file again and copy the text exactly.")


def _not_unique(path: str, data: bytes, old: bytes, at: int) -> ToolFailed:
    lines: list[int] = []
    count = 0
    while at >= 0:
        count += 1
        if len(lines) < 10:
            lines.append(data.count(b"\n", 0, at) + 1)
        at = data.find(old, at + 1)
    where = ", ".join(str(line) for line in lines) + (" ..." if count > len(lines) else "")
    return ToolFailed(
        f"old_string is {count} times in {paths.shown(path)} (lines {where}).",
        "Add lines around it until it is unique, or set replace_all.",
    )


def _snippet(data: bytes, at: int, size: int) -> str:
    """The lines around the first change, numbered."""
    first = max(0, data.count(b"\n", 0, at) - _AROUND_LINES)
    last = data.count(b"\n", 0, at + size) + _AROUND_LINES
    lines = data.split(b"\n")[first : min(last + 1, first + _SNIPPET_LINES)]
    texts = [line[: 4 * _SNIPPET_CHARS].decode("utf-8", "replace").rstrip("\r") for line in lines]
    return "\n".join(f"{first + n:6}\t{text[:_SNIPPET_CHARS]}" for n, text in enumerate(texts, 1))


TOOL = Tool(
    name="Edit",
    description=(
        "Replace a piece of a file: old_string, which must be there exactly once (or set "
        "replace_all), becomes new_string. Read the file first and copy the text exactly."
    ),
    args=EditArgs,
    roles=frozenset({"lead", "sublead", "worker"}),
    effect="effects",
    category="file",
    handler=edit,
    tidy=tidy,
)
