"""Lines: on which line of a TOML text each key stands; tomllib does not tell."""

import re
import tomllib
from bisect import bisect_left
from contextlib import suppress
from typing import NoReturn

# The steps to a value: names, and the indices of arrays: ("agents", "reviewer", "tools", 1).
KeyPath = tuple[str | int, ...]

# Beyond these the scan gives up. Nothing in a manifest comes near, and tomllib needs time in the
# square of a dotted key's parts, stack for each level, and fails on numbers of 5,000 digits.
DEEPEST = 32
BARE_MAX = 200

_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BASIC = re.compile(r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"')
_LITERAL = re.compile(r"'[^'\n]*'")
# No possessive quantifiers: before 3.11.5 they lose nested groups. Alternatives exclude each
# other, so a failure costs no more than a second look at each character.
# Up to two quotes may stand before the three that close.
_LONG_BASIC = re.compile(r'"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""(?:"{0,2})', re.DOTALL)
_LONG_LITERAL = re.compile(r"'''[^']*(?:'(?!'')[^']*)*'''(?:'{0,2})")
_SCALAR = re.compile(r"[^\"',\]}#\n][^,\]}#\n]*")


class Lines:
    """Where the keys of a TOML text stand. Lines count from 1.

    headers: the tables that a [header] opens. doubled: the first key that is given twice, with
    both its lines. unclosed: where a long text or an array begins that never ends, and what
    would end it. gave_up: where the scan met something beyond its limits, and what.
    """

    def __init__(self) -> None:
        self.headers: dict[KeyPath, int] = {}
        self.doubled: tuple[KeyPath, int, int] | None = None
        self.unclosed: tuple[int, str] | None = None
        self.gave_up: tuple[int, str] | None = None
        self._defined: dict[KeyPath, int] = {}
        self._implied: dict[KeyPath, int] = {}

    def of(self, path: KeyPath) -> int:
        """The line of a key, else of the nearest table or array around it, else 0."""
        for end in range(len(path), 0, -1):
            line = self._defined.get(path[:end]) or self._implied.get(path[:end])
            if line:
                return line
        return 0

    def gives(self, path: KeyPath) -> bool:
        """Whether this very key stands in the text."""
        return path in self._defined

    def define(self, path: KeyPath, line: int) -> None:
        """Note where a key or table is given."""
        if path not in self._defined:
            self._defined[path] = line
        elif self.doubled is None:
            self.doubled = (path, self._defined[path], line)

    def imply(self, path: KeyPath, line: int) -> None:
        """Note a table that exists only because something inside it is given."""
        self._implied.setdefault(path, line)


def locate(text: str) -> Lines:
    """The lines of the text's keys; where it is no TOML, those before that place."""
    scanner = _Scanner(text)
    with suppress(_LostError):
        scanner.document()
    return scanner.lines


def key_and_value(text: str) -> tuple[KeyPath, str] | None:
    """The path of a dotted key at the start of a text, and what follows its `=`."""
    scanner = _Scanner(text)
    with suppress(_LostError):
        path = tuple(scanner.names())
        scanner.expect("=")
        return path, text[scanner.pos :]
    return None


class _LostError(Exception):
    """The text is no TOML from here on; tomllib says why."""


class _Scanner:
    """One pass over a text, statement by statement."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pos = 0
        self.ends = [match.start() for match in re.finditer("\n", text)]
        self.lines = Lines()
        # How many elements each array of tables has so far.
        self.arrays: dict[KeyPath, int] = {}

    def document(self) -> None:
        """Every statement of the text."""
        table: KeyPath = ()
        self.skip(_BLANK)
        while self.pos < len(self.text):
            if self.text.startswith("[", self.pos):
                table = self.header()
            else:
                self.pair(table)
            self.skip(_BLANK)

    def header(self) -> KeyPath:
        """A [table] or an [[element of an array of tables]]; gives its path."""
        line = self.line()
        several = self.text.startswith("[[", self.pos)
        self.pos += 2 if several else 1
        *outer, last = self.names()
        self.expect("]]" if several else "]")
        path: KeyPath = ()
        for name in outer:
            path = (*path, name)
            self.lines.imply(path, line)
            if path in self.arrays:
                path = (*path, self.arrays[path] - 1)
        path = (*path, last)
        if not several or path not in self.arrays:
            self.lines.define(path, line)
        if several:
            count = self.arrays.get(path, 0)
            self.arrays[path] = count + 1
            path = (*path, count)
            self.lines.define(path, line)
        self.lines.headers.setdefault(path, line)
        return path

    def pair(self, table: KeyPath) -> None:
        """A key, which may be dotted, and its value."""
        line = self.line()
        *outer, last = self.names()
        self.expect("=")
        path = table
        for name in outer:
            path = (*path, name)
            self.lines.imply(path, line)
        path = (*path, last)
        self.lines.define(path, line)
        self.skip(_SPACE)
        self.value(path)

    def names(self) -> list[str]:
        """The parts of a key, unquoted."""
        parts = []
        while True:
            self.skip(_SPACE)
            if raw := self.take(_BARE):
                parts.append(raw)
            elif raw := self.take(_LITERAL):
                parts.append(raw[1:-1])
            elif raw := self.take(_BASIC):
                parts.append(_unquoted(raw))
            else:
                raise _LostError
            if len(parts) > DEEPEST:
                self.give_up(f"a key of more than {DEEPEST} parts")
            self.skip(_SPACE)
            if not self.take("."):
                return parts

    def value(self, path: KeyPath) -> None:
        """Any value; keys and elements inside it are noted below the path."""
        if len(path) > DEEPEST:
            self.give_up(f"a value more than {DEEPEST} levels deep")
        start = self.pos
        if self.take("["):
            self.inside(path, "]")
        elif self.take("{"):
            self.inside(path, "}")
        elif self.text.startswith(('"""', "'''"), start):
            if not self.take(_LONG_BASIC) and not self.take(_LONG_LITERAL):
                self.lines.unclosed = (self.line(), self.text[start : start + 3])
                raise _LostError
        elif not self.take(_BASIC) and not self.take(_LITERAL):
            self.bare()

    def bare(self) -> None:
        """A number, date or truth value; anything else without quotes is tomllib's to judge."""
        found = self.take(_SCALAR)
        if len(found.rstrip()) > BARE_MAX:
            self.give_up(f"a value of more than {BARE_MAX} characters without quotes")
        if not found:
            raise _LostError

    def inside(self, path: KeyPath, closing: str) -> None:
        """The elements of an array, or the pairs of an inline table, to their end."""
        start = self.line()
        index = 0
        while True:
            self.skip(_BLANK)
            if self.take(closing):
                return
            if closing == "}":
                self.pair(path)
            else:
                # Most arrays stand on one line, where the array's own line says it all.
                if self.line() != start:
                    self.lines.define((*path, index), self.line())
                self.value((*path, index))
            self.skip(_BLANK)
            if not self.take(",") and not self.text.startswith(closing, self.pos):
                self.lines.unclosed = self.lines.unclosed or (start, closing)
                raise _LostError
            index += 1

    def line(self) -> int:
        """The line of the present position."""
        return bisect_left(self.ends, self.pos) + 1

    def skip(self, pattern: re.Pattern[str]) -> None:
        """Go past what the pattern matches."""
        self.take(pattern)

    def take(self, wanted: re.Pattern[str] | str) -> str:
        """What is wanted, if it stands here, and go past it; else an empty text."""
        if isinstance(wanted, str):
            found = wanted if self.text.startswith(wanted, self.pos) else ""
        else:
            match = wanted.match(self.text, self.pos)
            found = match.group() if match else ""
        self.pos += len(found)
        return found

    def expect(self, text: str) -> None:
        """Go past a text that must stand here."""
        if not self.take(text):
            raise _LostError

    def give_up(self, what: str) -> NoReturn:
        """Stop at something beyond the limits."""
        self.lines.gave_up = (self.line(), what)
        raise _LostError


def _unquoted(raw: str) -> str:
    """The name that a quoted part of a key stands for."""
    if "\\" not in raw:
        return raw[1:-1]
    try:
        name = tomllib.loads(f"key = {raw}")["key"]
    except tomllib.TOMLDecodeError as error:
        raise _LostError from error
    return str(name)
