"""Slack: notices as messages of an incoming webhook, in which nothing is markup or a mention."""

import re

from leadhand.domain.text import one_line
from leadhand.notifier import Notice, headline

TEXT_MAX = 3_000
_SIGNS = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# Between the sign and the name stands a space that nobody sees.
_NAME = re.compile(r"[@#](?=\w)")


def message(notice: Notice) -> dict[str, object]:
    """What Slack is sent: plain text, links that are not unfolded."""
    return {
        "text": escaped(one_line(headline(notice), TEXT_MAX)),
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
