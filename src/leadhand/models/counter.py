"""Counter: asks a provider how many tokens it would read for a request."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from leadhand.errors import ModelError
from leadhand.model import Request
from leadhand.models import wire
from leadhand.models.http import Http, Post, Server

COUNT_SECS = 10.0


class _Counted(Struct):
    # No request is read as nothing: a server that says so does not count.
    input_tokens: Annotated[int, Meta(ge=1, le=1_000_000_000)]


_counted = msgspec.json.Decoder(_Counted)


async def count(
    http: Http, server: Server, path: str, body: dict[str, Any], request: Request
) -> int | None:
    """The figure that the server gives for a body; None where it gives none, whatever the reason.

    A figure is the provider's estimate: it may be a little off what an answer is billed. Cancelling
    this passes.
    """
    try:
        data = wire.encode(body)
        post = Post(server, path, data, request.actor_id, request.call_id, answer_tokens=0)
        return tokens(await http.fetch(post, COUNT_SECS))
    except (ModelError, *wire.UNREADABLE):
        return None


def tokens(data: bytes) -> int | None:
    """The figure in what a counter says; None where there is none."""
    try:
        return _counted.decode(data).input_tokens
    except wire.UNREADABLE:
        return None
