"""Model server left: clients that die or hang up in the middle are no fault of the server's."""

import asyncio
import json
import socket
import struct

import pytest

from leadhand.testing.model_server import ModelServer, model_server
from leadhand.testing.step import Step

pytestmark = pytest.mark.slow
CLIENTS = 60
# The other end is told at once, as when a process is killed with words unread.
RESET = struct.pack("ii", 1, 0)
BODY = json.dumps({"model": "gpt-5", "input": "Do it.", "stream": True}).encode()
REQUEST = (
    b"POST /v1/responses HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
)


async def leave(server: ModelServer, number: int, how: str) -> None:
    """Ask, and go: at once, or in the middle of the answer, once everybody has been heard."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", int(server.url.rpartition(":")[2])))
        await loop.sock_sendall(client, REQUEST)
        if how == "killed":
            await server.until_asked(CLIENTS)
            await asyncio.sleep(number * 0.0005)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


@pytest.mark.parametrize("how", ["hung up", "killed"])
def test_who_leaves_before_the_end_is_recorded_and_nothing_is_logged(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    # Two hundred events, which take longer than the most patient one waits.
    step = Step(text="word " * 2_000, chunk_delay_secs=0.0005)

    async def main() -> None:
        async with model_server(lambda request: step) as server:
            await asyncio.gather(*(leave(server, number, how) for number in range(CLIENTS)))
            await server.until_asked(CLIENTS)
            await server.until_idle()
            assert {each.ended for each in server.seen} == {"left"}

    asyncio.run(main())
    assert caplog.records == []
