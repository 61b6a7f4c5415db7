"""Globs: which paths a pattern of a write claim means, and whether two patterns may meet.

`*` is any part of a name, `?` one character of it, `**` as a whole name any folders, or none. A
pattern that names a folder means all below it too. Every other character means itself. Both
questions take time in the product of the two lengths, whatever the patterns are.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

Wild = Literal["star", "any"]
# One name of a path: its characters, as themselves or wild; None is `**`.
Name = tuple[tuple[bool, str], ...]
Pattern = tuple[Name | None, ...]


def literal(path: str) -> Pattern:
    """A path as the pattern that means it and all below it."""
    return tuple(tuple((False, char) for char in name) for name in names(path))


def pattern(glob: str) -> Pattern:
    """A glob as a pattern, with all below what it names."""
    found = [None if name == "**" else _name(name) for name in names(glob)]
    return tuple(found)


def names(path: str) -> list[str]:
    """The names of a path, one after the other."""
    return [name for name in path.split("/") if name not in ("", ".")]


def _name(text: str) -> Name:
    return tuple((char in "*?", char) for char in text)


def matches(glob: str, path: str) -> bool:
    """Whether a path is one that a glob means, or lies below one."""
    return overlap(pattern(glob), literal(path), below_other=False)


def claimed(globs: Sequence[str], path: str) -> bool:
    """Whether one of the globs means a path."""
    return not unclaimed(globs, [path])


def unclaimed(globs: Sequence[str], paths: Iterable[str]) -> list[str]:
    """The paths that none of the globs means."""
    patterns = [pattern(glob) for glob in globs]
    return [
        path
        for path in paths
        if not any(overlap(each, literal(path), below_other=False) for each in patterns)
    ]


def overlap(one: Pattern, other: Pattern, *, below_other: bool = True) -> bool:
    """Whether there is a path that both mean. below_other: the second means all below it too; the
    first always does."""
    left = (*one, None)
    right = (*other, None) if below_other else other
    # Whether the rest of both can be met from here; the last row and column come first.
    rows = [[False] * (len(right) + 1) for _ in range(len(left) + 1)]
    rows[-1][-1] = True
    for at in range(len(left), -1, -1):
        for to in range(len(right), -1, -1):
            if at < len(left) and left[at] is None:
                rows[at][to] |= rows[at + 1][to] or (to < len(right) and rows[at][to + 1])
            if to < len(right) and right[to] is None:
                rows[at][to] |= rows[at][to + 1] or (at < len(left) and rows[at + 1][to])
            if at < len(left) and to < len(right):
                here, there = left[at], right[to]
                if here is not None and there is not None and rows[at + 1][to + 1]:
                    rows[at][to] |= alike(here, there)
    return rows[0][0]


def alike(one: Name, other: Name) -> bool:
    """Whether there is a name that both mean."""
    rows = [[False] * (len(other) + 1) for _ in range(len(one) + 1)]
    rows[-1][-1] = True
    for at in range(len(one), -1, -1):
        for to in range(len(other), -1, -1):
            if at < len(one) and one[at] == (True, "*"):
                rows[at][to] |= rows[at + 1][to] or (to < len(other) and rows[at][to + 1])
            if to < len(other) and other[to] == (True, "*"):
                rows[at][to] |= rows[at][to + 1] or (at < len(one) and rows[at + 1][to])
            if at < len(one) and to < len(other) and rows[at + 1][to + 1]:
                rows[at][to] |= _same(one[at], other[to])
    return rows[0][0]


def _same(one: tuple[bool, str], other: tuple[bool, str]) -> bool:
    """Whether two places of names may hold the same character; a star is taken elsewhere."""
    if (True, "*") in (one, other):
        return False
    return one[0] or other[0] or one[1] == other[1]
