"""Webhook: notices as JSON to a URL, each with its id as Idempotency-Key."""

import msgspec

from leadhand.notifier import Notice
from leadhand.post import Post
from leadhand.sinks import Destination


class Webhook:
    """Posts to one URL."""

    def __init__(self, to: Destination, post: Post) -> None:
        self._to, self._post = to, post

    async def send(self, notice: Notice) -> None:
        """See Notifier.send."""
        headers = {"Idempotency-Key": notice.id}
        await self._post.send(self._to, msgspec.json.encode(notice), headers)
