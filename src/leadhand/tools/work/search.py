"""Search: walking directories and matching names and lines, for Glob and Grep.

Also a program of the standard library alone: Grep runs it as a process, since a hostile regular
expression never ends and only a process can be stopped. Why not the system's grep: it is not
everywhere the same, and Python's expressions are nearest to those that models write.
"""

import fnmatch
import json
import os
import re
import resource
import stat
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

ENTRIES_MAX = 500_000
FILE_MAX_BYTES = 33_554_432
FILES_MAX = 10_000
LINE_SHOWN = 500
ALTERNATIVES_MAX = 256
MAGIC = re.compile(r"[*?\[{]")
# Made by machines, huge, and never what is looked for; naming one in a path or pattern enters it.
SKIPPED = frozenset(
    ".git .hg .svn node_modules .venv venv __pycache__ .mypy_cache .ruff_cache .pytest_cache "
    ".hypothesis .tox".split()
)
_MEMORY_MAX = 1_073_741_824
_PROBE_BYTES = 8_192
_BRACES = re.compile(r"\{([^{}]*)\}")
_CLASSES = {
    "[:alnum:]": "a-zA-Z0-9",
    "[:alpha:]": "a-zA-Z",
    "[:digit:]": "0-9",
    "[:lower:]": "a-z",
    "[:punct:]": r"!-/:-@\[-`{-~",
    "[:space:]": r"\s",
    "[:upper:]": "A-Z",
    "[:word:]": r"\w",
    "[:xdigit:]": "0-9a-fA-F",
}

Parts = tuple[str, ...]
_Line = list[Callable[[str], Any] | None]


class Entry(NamedTuple):
    """Something found below a base: its names from there, and what it is."""

    parts: Parts
    is_dir: bool
    is_file: bool
    modified_ns: int


class Pattern:
    """A glob over the names of a path: `*`, `?`, `[...]`, `{a,b}`, and `**` for any depth.

    Matching has no backtracking, whatever the pattern. Raises ValueError for a pattern with more
    than 256 alternatives.
    """

    def __init__(self, text: str) -> None:
        lines = [line.split("/") for line in _alternatives(text)]
        self.literals = {name for line in lines for name in line if not MAGIC.search(name)}
        self._lines = [_compiled(line) for line in lines]

    def matches(self, parts: Parts) -> bool:
        """Whether the whole path fits."""
        return any(len(line) in _states(line, parts) for line in self._lines)

    def may_hold(self, parts: Parts) -> bool:
        """Whether something below this directory could fit."""
        return any(_states(line, parts) - {len(line)} for line in self._lines)


def _alternatives(text: str) -> list[str]:
    found, open_ones = [], [text]
    while open_ones:
        line = open_ones.pop()
        braces = _BRACES.search(line)
        if braces is None:
            found.append(line)
        else:
            before, after = line[: braces.start()], line[braces.end() :]
            open_ones += [before + choice + after for choice in braces[1].split(",")]
        if len(found) + len(open_ones) > ALTERNATIVES_MAX:
            raise ValueError(f"the pattern has more than {ALTERNATIVES_MAX} alternatives")
    return found


def _compiled(names: list[str]) -> _Line:
    """What each name of a path has to fit; None is `**`."""
    line: _Line = []
    for name in names:
        if name != "**":
            line.append(re.compile(fnmatch.translate(name)).match)
        elif not line or line[-1] is not None:
            line.append(None)
    return line


def _states(line: _Line, parts: Parts) -> set[int]:
    """How much of a pattern may be used up after these names, each way to read it."""
    states = _past_stars(line, {0})
    for part in parts:
        after = set()
        for at in states:
            fits = line[at] if at < len(line) else _nothing
            if fits is None:
                after.add(at)
            elif fits(part):
                after.add(at + 1)
        states = _past_stars(line, after)
    return states


def _nothing(_: str) -> None:
    return None


def _past_stars(line: _Line, states: set[int]) -> set[int]:
    return states | {at + 1 for at in states if at < len(line) and line[at] is None}


class Walk:
    """The entries below a directory, symlinks never followed, within a bound.

    enter: which directories are gone into. cut: why the walk ended early; empty when it did not.
    """

    def __init__(self, base: str, enter: Callable[[Parts], bool], deadline: float) -> None:
        self._base, self._enter, self._deadline = base, enter, deadline
        self._seen = 0
        self.cut = ""

    def __iter__(self) -> Iterator[Entry]:
        line: list[Parts] = [()]
        while line and not self.cut:
            folder = line.pop()
            found = sorted(self._list(folder))
            yield from found
            line += [e.parts for e in reversed(found) if e.is_dir and self._enter(e.parts)]

    def _list(self, folder: Parts) -> Iterator[Entry]:
        try:
            with os.scandir(os.path.join(self._base, *folder)) as entries:  # noqa: PTH118
                for entry in entries:
                    self._seen += 1
                    if self._seen > ENTRIES_MAX:
                        self.cut = f"stopped after {ENTRIES_MAX} files and directories"
                    elif time.monotonic() > self._deadline:
                        self.cut = "stopped: it took too long"
                    if self.cut:
                        return
                    status = entry.stat(follow_symlinks=False)
                    is_dir, is_file = stat.S_ISDIR(status.st_mode), stat.S_ISREG(status.st_mode)
                    yield Entry((*folder, entry.name), is_dir, is_file, status.st_mtime_ns)
        except OSError:
            return


class Request(NamedTuple):
    """What Grep asks of this program. base: a file or directory, resolved and permitted."""

    base: str
    pattern: str
    glob: str
    output_mode: str
    ignore_case: bool
    multiline: bool
    before: int
    after: int
    head_limit: int
    secs: float


class _Counts:
    """What was looked at, and what was passed over."""

    def __init__(self) -> None:
        self.files = self.matched = self.binary = self.huge = 0
        self.more = False
        self.cut = ""


def grep(request: Request) -> Iterator[list[Any]]:
    """The lines that match, as records: kind (match, context, gap, file, count, end), values."""
    flags = re.MULTILINE | (re.IGNORECASE if request.ignore_case else 0)
    flags |= re.DOTALL if request.multiline else 0
    pattern = request.pattern
    for name, letters in _CLASSES.items():
        pattern = pattern.replace(name, letters)
    expression = re.compile(pattern, flags)
    counts, shown = _Counts(), 0
    for path, modified_ns in _files(request, counts):
        text = _text(os.path.join(request.base, path) if path else request.base, counts)  # noqa: PTH118
        hits = _hits(expression, text, request.multiline) if text is not None else {}
        if text is None or not hits:
            continue
        counts.matched += 1
        for record in _records(request, path, modified_ns, text, hits):
            limit = FILES_MAX if record[0] == "file" else request.head_limit
            if limit and shown >= limit:
                counts.more = True
                yield ["end", vars(counts)]
                return
            shown += 1
            yield record
    yield ["end", vars(counts)]


def _files(request: Request, counts: _Counts) -> Iterator[tuple[str, int]]:
    """The files to look into, from the base, each with when it was modified."""
    if not os.path.isdir(request.base):  # noqa: PTH112
        yield "", os.lstat(request.base).st_mtime_ns
        return
    wanted = request.glob.removeprefix("!")
    pattern = Pattern(wanted if wanted.startswith("**/") else f"**/{wanted}") if wanted else None
    literals = pattern.literals if pattern else set()
    walk = Walk(
        request.base,
        lambda parts: parts[-1] not in SKIPPED or parts[-1] in literals,
        time.monotonic() + request.secs,
    )
    for entry in walk:
        if entry.is_file and (
            pattern is None or pattern.matches(entry.parts) != request.glob.startswith("!")
        ):
            yield "/".join(entry.parts), entry.modified_ns
    counts.cut = walk.cut


def _text(path: str, counts: _Counts) -> str | None:
    """A regular file's text; None for what is none."""
    try:
        # Never through a link, never waiting for a FIFO, even when it was put there just now.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return None
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return None
        counts.files += 1
        if status.st_size > FILE_MAX_BYTES:
            counts.huge += 1
            return None
        data = file.read(FILE_MAX_BYTES)
    if b"\0" in data[:_PROBE_BYTES]:
        counts.binary += 1
        return None
    return data.decode("utf-8", "replace")


def _hits(expression: re.Pattern[str], text: str, multiline: bool) -> dict[int, int]:
    """The matching lines, from 0, each with the column where its match begins."""
    if not multiline:
        search = expression.search
        found = ((n, search(line)) for n, line in enumerate(_lines(text)))
        return {n: match.start() for n, match in found if match is not None}
    hits: dict[int, int] = {}
    line = at = 0
    for match in expression.finditer(text):
        line += text.count("\n", at, match.start())
        at = match.start()
        last = line + text.count("\n", at, max(at, match.end() - 1))
        hits.setdefault(line, at - (text.rfind("\n", 0, at) + 1))
        hits.update((n, 0) for n in range(line + 1, last + 1) if n not in hits)
    return hits


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def _records(
    request: Request, path: str, modified_ns: int, text: str, hits: dict[int, int]
) -> Iterator[list[Any]]:
    if request.output_mode == "files_with_matches":
        yield ["file", path, modified_ns]
    elif request.output_mode == "count":
        yield ["count", path, len(hits)]
    else:
        lines = _lines(text)
        last = -1
        for hit in sorted(hits):
            first = max(hit - request.before, last + 1)
            if (request.before or request.after) and first > last + 1 and last >= 0:
                yield ["gap"]
            for at in range(first, min(hit + request.after + 1, len(lines))):
                # Lines after a hit wait, lest the next hit be shown as context.
                if at > hit and at in hits:
                    break
                yield [
                    "match" if at in hits else "context",
                    path,
                    at + 1,
                    _window(lines[at], hits.get(at, 0)),
                ]
                last = at


def _window(line: str, column: int) -> str:
    """A line, or of a long one what is around the match."""
    if len(line) <= LINE_SHOWN:
        return line
    first = max(0, min(column - LINE_SHOWN // 4, len(line) - LINE_SHOWN))
    end = "..." if first + LINE_SHOWN < len(line) else ""
    return ("..." if first else "") + line[first : first + LINE_SHOWN] + end


def main(argument: str) -> int:
    """Answer one request, given as JSON, with a record of JSON on each line."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_MAX, _MEMORY_MAX))
    try:
        for record in grep(Request(**json.loads(argument))):
            sys.stdout.write(json.dumps(record) + "\n")
            # What was found before time ran out is shown.
            sys.stdout.flush()
    except (re.error, ValueError, OverflowError, RecursionError, MemoryError) as error:
        sys.stdout.write(json.dumps(["error", str(error) or type(error).__name__]) + "\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
