"""Options: what the command line sets in a manifest, in place of what its text says."""

import shlex
import tomllib
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec import Struct

from leadhand.domain.text import one_line
from leadhand.errors import Fault, ManifestError
from leadhand.load.lines import KeyPath, key_and_value, locate
from leadhand.load.section import dotted, quoted, shown

_FORM = "Write it as --set KEY=VALUE, with a dotted key and a value as in the manifest"
_SHOWN_MAX = 80


class Option(Struct, frozen=True):
    """A key and the value that it gets. words: what the user typed, which faults name.

    beside: only where the text gives this key.
    """

    path: KeyPath
    value: Any
    words: str
    beside: KeyPath = ()


def model(name: str) -> list[Option]:
    """`--model`: of the lead, and of workers that name none of their own."""
    words = f"--model {_brief(name)}"
    return [
        Option(("defaults", "model"), name, words),
        Option(("lead", "model"), name, words, beside=("lead", "model")),
    ]


def directory(text: str) -> list[Option]:
    """`--directory`, from where the command is given: where the lead works, and whoever works
    where the lead does."""
    words = f"--directory {_brief(text)}"
    # A home or NUL that makes no path is left to the section, which says so.
    there = text if text.startswith("~") or "\0" in text else str(Path(text).absolute())
    return [
        Option(("lead", "directory"), there, words, beside=("lead",)),
        Option(("defaults", "directory"), there, words, beside=("defaults", "directory")),
    ]


def assignment(text: str, number: Callable[[str], Decimal]) -> Option:
    """`--set KEY=VALUE`, in TOML. number: reads its floats. Raises ManifestError."""
    words = f"--set {_brief(text)}"
    found = key_and_value(text)
    if found is None:
        raise _fault(words, "is no key and value", _FORM)
    path, value = found
    line = f"value = {value}"
    if locate(line).gave_up or any(char in text for char in "\r\n"):
        raise _fault(words, "holds more than a manifest's line may", _FORM)
    try:
        given = tomllib.loads(line, parse_float=number)
    except ValueError as error:
        # One that lets a text stand without quotes would be guessing at everything else.
        bare = value.strip().isprintable() and not set("\"'[]{}=#\\") & set(value.strip())
        mend = f"A text stands in quotes: --set '{dotted(path)}=\"{value.strip()}\"'"
        mend = mend if value.strip() and bare else _FORM
        raise _fault(words, f"has no value of TOML: {error}", mend) from error
    return Option(path, given["value"], words)


def apply(values: dict[str, Any], options: Sequence[Option]) -> dict[KeyPath, str]:
    """Set the values; each key that was set, and the words that did. Raises ManifestError.

    A lead is `lead` whether the text has it as [lead] or as [[lead]].
    """
    done = {}
    for option in options:
        if not _given(values, _placed(values, option.beside)):
            continue
        path = _placed(values, option.path)
        *outer, last = path
        table: Any = values
        for count, step in enumerate(outer, 1):
            table = table[step] if isinstance(step, int) else table.setdefault(step, {})
            if not isinstance(table, dict) and not isinstance(path[count], int):
                why = f"is no table in the manifest but {shown(table)}"
                raise _fault(option.words, f"{dotted(path[:count])}: {why}", "Set that key instead")
        table[last] = option.value
        done[path] = option.words
    return done


def _placed(values: dict[str, Any], path: KeyPath) -> KeyPath:
    leads = values.get("lead")
    return (
        ("lead", 0, *path[1:])
        if path[:1] == ("lead",) and leads and isinstance(leads, list)
        else path
    )


def _given(values: Any, path: KeyPath) -> bool:
    for step in path:
        known = isinstance(values, list if isinstance(step, int) else dict)
        if not known or (isinstance(step, str) and step not in values):
            return False
        values = values[step]
    return True


def _brief(text: str) -> str:
    """What the user typed, as a shell takes it, on one printable line."""
    line = one_line(text, _SHOWN_MAX)
    return shlex.quote(line) if line.isprintable() else quoted(line)


def _fault(words: str, message: str, mend: str) -> ManifestError:
    return ManifestError([Fault(message, file=words, mend=mend)])
