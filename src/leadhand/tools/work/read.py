"""Read: the tool that shows a file, or the rest of a long result, as numbered lines."""

import asyncio
import io
import os
from collections.abc import Iterator
from typing import Annotated, BinaryIO, NamedTuple

from msgspec import Meta, Struct

from leadhand.errors import StoreError
from leadhand.refusals import ToolFailed
from leadhand.tool import Caller, Tool
from leadhand.tools.work import paths

LINES_DEFAULT = 2_000
LINE_MAX = 2_000
SHOWN_MAX = 60_000
SCAN_MAX_BYTES = 268_435_456
BLOB_PREFIX = "blob:"
_PROBE_BYTES = 8_192
_CHUNK_BYTES = 1_048_576
_LINE_BYTES = 4 * LINE_MAX + 1
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a RIFF file (WebP, WAV, AVI)"),
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a zip archive (or a document that is one)"),
    (b"\x1f\x8b", "gzip data"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ\x00", "xz data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"\x7fELF", "an ELF program or library"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)


class ReadArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """What Read takes."""

    file_path: Annotated[
        str,
        Meta(description="The file, relative to your directory or absolute; or a blob: pointer."),
    ]
    offset: Annotated[
        int, Meta(ge=0, description="The number of the first line to show; lines count from 1.")
    ] = 1
    limit: Annotated[
        int, Meta(ge=1, description=f"How many lines to show; at most {LINES_DEFAULT} if left out.")
    ] = LINES_DEFAULT


class Page(NamedTuple):
    """Numbered lines as shown, and what has to be said about them.

    total: the lines of the whole file, or None where it was not read to its end.
    """

    lines: list[str]
    first: int
    total: int | None
    notes: list[str]


async def read(caller: Caller, args: ReadArgs) -> str:
    """Show a page of a file or blob."""
    if args.file_path.startswith(BLOB_PREFIX):
        try:
            data = await caller.blobs.get(args.file_path)
        except StoreError as error:
            raise ToolFailed(f"{paths.shown(args.file_path)} is not there: {error}") from None
        page = await asyncio.to_thread(_page_of_blob, data, args)
    else:
        page = await asyncio.to_thread(_page_of_file, caller, args)
    return _as_text(page, args)


def _page_of_file(caller: Caller, args: ReadArgs) -> Page:
    opened = paths.open_file(caller, args.file_path)
    with os.fdopen(opened.fd, "rb") as file:
        probe = file.peek(_PROBE_BYTES)[:_PROBE_BYTES]
        if what := binary_kind(probe):
            raise ToolFailed(
                f"{paths.shown(args.file_path)} is {what}, {opened.size} bytes: not shown as text."
            )
        return _page(_Lines(file), args)


def _page_of_blob(data: bytes, args: ReadArgs) -> Page:
    # A blob often is one huge line; in pieces it can be paged.
    pieces = (
        line[at : at + LINE_MAX]
        for line in data.decode("utf-8", "replace").splitlines()
        for at in range(0, max(1, len(line)), LINE_MAX)
    )
    return _page(_Lines(io.BytesIO("\n".join(pieces).encode())), args)


def binary_kind(probe: bytes) -> str:
    """What a file that begins with `probe` is, when it is not text; else an empty string."""
    name = next((name for magic, name in _MAGIC if probe.startswith(magic)), "")
    return name or ("binary data" if b"\0" in probe else "")


class _Line(NamedTuple):
    """The start of a line, and the size of the whole."""

    data: bytes
    size: int


class _Lines:
    """The lines of a file, up to a bound; of a huge line only its start is ever held."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._room = SCAN_MAX_BYTES

    def __iter__(self) -> Iterator[_Line]:
        while self._room > 0 and (head := self._file.readline(_LINE_BYTES)):
            size, last = len(head), head
            self._room -= size
            while self._room > 0 and len(last) == _LINE_BYTES and not last.endswith(b"\n"):
                last = self._file.readline(_LINE_BYTES)
                size += len(last)
                self._room -= len(last)
            yield _Line(head, size)

    def count_rest(self) -> int | None:
        """How many lines follow; None where the bound comes first."""
        count, last = 0, b"\n"
        while self._room > 0:
            data = self._file.read(_CHUNK_BYTES)
            if not data:
                return count + (not last.endswith(b"\n"))
            count += data.count(b"\n")
            self._room -= len(data)
            last = data[-1:]
        return None


def _page(lines: _Lines, args: ReadArgs) -> Page:
    """The lines that were asked for, as far as they fit."""
    first = max(1, args.offset)
    rows: list[str] = []
    seen: dict[str, None] = {}
    number = chars = 0
    for number, line in enumerate(lines, 1):
        if number < first:
            continue
        row = f"{number:6}\t{_text(line, seen)}"
        chars += len(row) + 1
        if rows and (chars > SHOWN_MAX or len(rows) >= args.limit):
            rest = lines.count_rest()
            return Page(rows, first, None if rest is None else number + rest, list(seen))
        rows.append(row)
    rest = lines.count_rest()
    return Page(rows, first, None if rest is None else number + rest, list(seen))


def _text(line: _Line, notes: dict[str, None]) -> str:
    text = line.data.decode("utf-8", "replace").removesuffix("\n")
    if text.endswith("\r"):
        notes["lines end in CR LF"] = None
        text = text.removesuffix("\r")
    if len(text) > LINE_MAX or line.size > len(line.data):
        text = f"{text[:LINE_MAX]} [... cut: this line has {line.size} bytes]"
    if "\ufffd" in text:
        notes["bytes that are not UTF-8 show as \ufffd"] = None
    return text


def _as_text(page: Page, args: ReadArgs) -> str:
    name = paths.shown(args.file_path)
    last = page.first + len(page.lines) - 1
    if not page.lines:
        if page.total == 0:
            return f"({name} is empty)"
        if page.total is None:
            raise ToolFailed(
                f"{name}: line {page.first} is beyond its first {SCAN_MAX_BYTES} bytes."
            )
        raise ToolFailed(f"{name} has only {page.total} lines.", "Use a smaller offset.")
    notes = list(page.notes)
    if page.total is None or last < page.total:
        total = "more" if page.total is None else str(page.total)
        notes.insert(0, f"lines {page.first} to {last} of {total}; go on with offset {last + 1}")
    end = f"\n({'; '.join(notes)})" if notes else ""
    return "\n".join(page.lines) + end


TOOL = Tool(
    name="Read",
    description=(
        "Show a text file as numbered lines. Long files come in pages: offset is the first line, "
        "limit the number of lines. Also reads the rest of a long result: give its blob: pointer "
        "as file_path. Directories are listed with Glob."
    ),
    args=ReadArgs,
    roles=frozenset({"lead", "sublead", "worker"}),
    effect="reads",
    category="file",
    handler=read,
)
