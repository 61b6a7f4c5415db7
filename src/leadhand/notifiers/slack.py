"""Slack: notices as messages of an incoming webhook, in which nothing is markup or a mention."""

import re

import msgspec

from leadhand.domain.text import one_line
from leadhand.notifier import Notice
from leadhand.post import Post
from leadhand.sinks import Destination

TEXT_MAX = 3_000
_SIGNS = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# Between the sign and the name stands a space that nobody sees.
_NAME = re.compile(r"[@#](?=\w)")


class Slack:
    """Posts to one incoming webhook."""

    def __init__(self, to: Destination, post: Post) -> None:
        self._to, self._post = to, post

    async def send(self, notice: Notice) -> None:
        """See Notifier.send."""
        body = msgspec.json.encode(message(notice))
        await self._post.send(self._to, body, {"Idempotency-Key": notice.id})


def message(notice: Notice) -> dict[str, object]:
    """What Slack is sent: plain text, links that are not unfolded."""
    text = f"[{notice.severity}] {notice.summary}"
    text += f": {notice.preview}" if notice.preview else ""
    return {
        "text": escaped(one_line(text, TEXT_MAX)),
        "mrkdwn": False,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def escaped(text: str) -> str:
    """A text that Slack shows as it is."""
    named = _NAME.sub(lambda found: f"{found[0]}\u200b", text)
    return re.sub("[&<>]", lambda found: _SIGNS[found[0]], named)
