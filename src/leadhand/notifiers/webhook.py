"""Webhook: notices as JSON to a URL, each with its id as Idempotency-Key."""

from collections.abc import Callable

import msgspec

from leadhand.notifier import Notice
from leadhand.post import Post
from leadhand.sinks import Destination

Message = Callable[[Notice], object]


def as_it_is(notice: Notice) -> Notice:
    """What a webhook is sent that is nobody's in particular."""
    return notice


class Webhook:
    """Posts to one URL. message: what is sent of a notice, as whoever is behind it wants it."""

    def __init__(self, to: Destination, post: Post, message: Message) -> None:
        self._to, self._post, self._message = to, post, message

    async def send(self, notice: Notice) -> None:
        """See Notifier.send."""
        body = msgspec.json.encode(self._message(notice))
        await self._post.send(self._to, body, {"Idempotency-Key": notice.id})
