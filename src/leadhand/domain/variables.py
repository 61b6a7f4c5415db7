"""Variables: `${LEADHAND_...}` in a text stands for a variable of the environment.

No other `${...}` means anything here: prompts hold code. `$${LEADHAND_...}` is that text itself.
"""

import re
from collections.abc import Iterator, Mapping

PREFIX = "LEADHAND_"
_PLACE = re.compile(r"(\$?)\$\{([^{}\n]*)\}")
_NAME = re.compile(PREFIX + "[A-Za-z0-9_]+")


def named(text: str) -> Iterator[str]:
    """What stands in each `${...}` that is not itself meant."""
    return (place[2] for place in _PLACE.finditer(text) if not place[1])


def ours(name: str) -> bool:
    """Whether a name is of those that are expanded."""
    return _NAME.fullmatch(name) is not None


def expanded(text: str, environ: Mapping[str, str], *, every: bool = False) -> str:
    """The text with the values of our variables; what is not set stays as it is.

    every: `$${...}` is that text itself whatever stands in it.
    """

    def meant(place: re.Match[str]) -> str:
        if place[1]:
            return place[0][1:] if every or ours(place[2]) else place[0]
        return environ.get(place[2], place[0]) if ours(place[2]) else place[0]

    return _PLACE.sub(meant, text)
