"""Discord: notices as messages of a webhook, in which nothing is markup or a mention."""

import re

import msgspec

from leadhand.domain.text import one_line
from leadhand.notifier import Notice
from leadhand.post import Post
from leadhand.sinks import Destination

CONTENT_MAX = 2_000
# No embeds are made of links.
SUPPRESS_EMBEDS = 4
_MARKS = re.compile(r"[\\*_~`|>#\[\]()<@:\-]")
_PIECE = re.compile(r"\\?.", re.DOTALL)


class Discord:
    """Posts to one webhook."""

    def __init__(self, to: Destination, post: Post) -> None:
        self._to, self._post = to, post

    async def send(self, notice: Notice) -> None:
        """See Notifier.send."""
        body = msgspec.json.encode(message(notice))
        await self._post.send(self._to, body, {"Idempotency-Key": notice.id})


def message(notice: Notice) -> dict[str, object]:
    """What Discord is sent."""
    text = f"[{notice.severity}] {notice.summary}"
    text += f": {notice.preview}" if notice.preview else ""
    return {
        "content": cut(escaped(one_line(text, CONTENT_MAX))),
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
