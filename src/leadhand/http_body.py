"""Http body: reads the body of a response, also of one that breaks in the middle."""

import asyncio
from contextlib import suppress

import aiohttp

LOOK_SECS = 1.0


async def more(response: aiohttp.ClientResponse) -> bytes:
    """The next bytes of the body; none at its end. Raises what aiohttp raises where it breaks.

    aiohttp gives up a connection whose chunks make no sense, but does not wake who waits for them;
    so that is looked at now and then.
    """
    content = response.content
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECS):
                return await content.readany()
        # A protocol is a queue of responses too, and false where that is empty.
        protocol = response.connection.protocol if response.connection is not None else None
        if protocol is not None and protocol.is_connected():
            continue
        # It may have ended well in this very moment.
        part = content.read_nowait()
        if part or content.at_eof():
            return part
        raise aiohttp.ClientPayloadError("the connection broke in the middle of the body")
