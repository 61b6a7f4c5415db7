"""Discord: notices as messages of a webhook, in which nothing is markup or a mention."""

import re

from leadhand.domain.text import one_line
from leadhand.notifier import Notice, headline

CONTENT_MAX = 2_000
# No embeds are made of links.
SUPPRESS_EMBEDS = 4
_MARKS = re.compile(r"[\\*_~`|>#\[\]()<@:\-]")
_PIECE = re.compile(r"\\?.", re.DOTALL)


def message(notice: Notice) -> dict[str, object]:
    """What Discord is sent."""
    return {
        "content": cut(escaped(one_line(headline(notice), CONTENT_MAX))),
        "allowed_mentions": {"parse": []},
        "flags": SUPPRESS_EMBEDS,
    }


def escaped(text: str) -> str:
    """A text that Discord shows as it is: no name is looked up, no mark means anything."""
    return _MARKS.sub(lambda found: f"\\{found[0]}", text).replace("\\@", "\\@\u200b")


def cut(text: str) -> str:
    """As much of an escaped text as a message may hold, no escape in half."""
    if len(text) <= CONTENT_MAX:
        return text
    pieces, size = [], 0
    for piece in _PIECE.findall(text):
        size += len(piece)
        if size > CONTENT_MAX - 1:
            break
        pieces.append(piece)
    return "".join(pieces) + "…"
