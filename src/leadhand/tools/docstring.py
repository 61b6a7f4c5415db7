"""Docstring: what a function's says to a model: its first part, and what each parameter is."""

import inspect
import re

from msgspec import Struct

_ARGUMENTS = re.compile(r"(Args|Arguments|Parameters|Params):\s*")
_SECTION = re.compile(
    r"(Args|Arguments|Parameters|Params|Returns?|Yields?|Raises|Examples?|Notes?|See Also"
    r"|Attributes|Warnings?|Todo):\s*"
)
_NAMED = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)")
_FIELD = re.compile(r":(\w+)(?:\s+([^:]*))?:\s*(.*)")
_PARAMETER = ("param", "parameter", "arg", "argument", "key", "keyword")


class Doc(Struct, frozen=True):
    """A docstring. text: all before its first section. parameters: by name, each on one line."""

    text: str
    parameters: dict[str, str]


def read(docstring: str) -> Doc:
    """A docstring in Google's style (a section `Args:`) or in reST's (`:param NAME:`)."""
    lines = inspect.cleandoc(docstring).splitlines()
    start = next((at for at, line in enumerate(lines) if _opens(line)), len(lines))
    found: dict[str, list[str]] = {}
    here: list[str] | None = None
    in_arguments, indent = False, 0
    for line in lines[start:]:
        text, depth = line.strip(), len(line) - len(line.lstrip())
        if _SECTION.fullmatch(line):
            in_arguments, indent, here = bool(_ARGUMENTS.fullmatch(line)), 0, None
        elif depth == 0 and (field := _FIELD.fullmatch(text)):
            in_arguments, here = False, None
            kind, about, said = field.groups()
            if kind in _PARAMETER and about:
                here = found.setdefault(about.split()[-1], [])
                here.append(said)
        elif in_arguments and text and depth and depth <= (indent or depth):
            named = _NAMED.fullmatch(text)
            indent, here = depth, None
            if named:
                here = found.setdefault(named[1], [])
                here.append(named[2])
        elif here is not None and text and depth:
            here.append(text)
        elif depth == 0 and text:
            here = None
    said_of = {name: " ".join(filter(None, parts)) for name, parts in found.items()}
    return Doc("\n".join(lines[:start]).strip(), said_of)


def _opens(line: str) -> bool:
    """Whether a section or a field begins here."""
    return bool(_SECTION.fullmatch(line) or _FIELD.fullmatch(line))
