"""Paper: text, tables and JSON on standard output, as wide characters and pipes want them."""

import os
import re
import sys
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

import click
import msgspec

from leadhand.domain.money import NANO, show

COLORS = {
    "Success": "green",
    "succeeded": "green",
    "running": "cyan",
    "queued": "cyan",
    "partial": "yellow",
    "interrupted": "yellow",
    "parked": "yellow",
    "draining": "yellow",
    "cancelling": "yellow",
    "empty": "yellow",
}
_STYLE = re.compile("\x1b\\[[0-9;]*m")
_DIM = "bright_black"


def say(text: str = "", end: str = "\n") -> None:
    """Print a line, or a part of one, in colors on a terminal only."""
    if sys.stdout is not None:
        # Not click.echo(), which takes a terminal that says it is ASCII for one of UTF-8.
        sys.stdout.write((text if colored() else _STYLE.sub("", text)) + end)


def colored() -> bool:
    """Whether standard output shows colors."""
    return draws(sys.stdout) and not os.environ.get("NO_COLOR")


def draws(stream: TextIO) -> bool:
    """Whether a stream is a terminal on which the cursor can be moved."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def flush() -> None:
    """Let everything printed so far be read."""
    if sys.stdout is not None:
        sys.stdout.flush()


def state(word: str) -> str:
    """A state in its color: good, under way, undecided, bad."""
    return click.style(word, fg=COLORS.get(word, "red"))


def heading(text: str) -> str:
    """A heading."""
    return click.style(text, bold=True)


def faint(text: str) -> str:
    """A remark."""
    return click.style(text, fg=_DIM)


def dollars(amount: float) -> str:
    """An amount that was read from JSON or a head."""
    return show(round(amount * NANO))


def print_json(value: Any) -> None:
    """Print a value as JSON over several lines; JSON is UTF-8 whatever the terminal is."""
    print_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def print_bytes(data: bytes) -> None:
    """Print bytes as they are."""
    flush()
    if sys.stdout is not None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def width(text: str) -> int:
    """How many cells of a terminal a text takes."""
    bare = _STYLE.sub("", text)
    if bare.isascii():
        return len(bare)
    wide = sum(unicodedata.east_asian_width(each) in "WF" for each in bare)
    return len(bare) + wide - sum(map(bool, map(unicodedata.combining, bare)))


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = (), indent: str = "") -> list[str]:
    """Rows in columns, those of the numbers in `right` flush right."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = []
        for number, (cell, size) in enumerate(zip(row, widths, strict=True)):
            space = " " * (size - width(cell))
            cells.append(space + cell if number in right else cell + space)
        lines.append((indent + "  ".join(cells)).rstrip())
    return lines


def local(wall_ms: int, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """An instant on this machine's clock."""
    return datetime.fromtimestamp(wall_ms / 1000, UTC).astimezone().strftime(form)
