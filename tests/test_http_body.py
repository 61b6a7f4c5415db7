"""Http body: it is read to its end, however slowly it comes, and a break is an error."""

import asyncio

import aiohttp
import pytest

from leadhand import http_body

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def read(*parts: bytes, pause_secs: float = 0.0) -> tuple[list[bytes], Exception | None]:
    """What is read of a response that is sent so, and the error at its end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_secs)
        writer.close()
        served.set()

    served = asyncio.Event()

    async def main() -> tuple[list[bytes], Exception | None]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        found: list[bytes] = []
        broken = None
        async with server, aiohttp.ClientSession() as session, session.get(url) as response:
            try:
                async with asyncio.timeout(5):
                    while part := await http_body.more(response):
                        found.append(part)
            except aiohttp.ClientError as error:
                broken = error
            await asyncio.wait_for(served.wait(), 5)
        return found, broken

    return asyncio.run(main())


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_body, "LOOK_SECS", 0.02)


def test_a_body_is_read_to_its_end() -> None:
    assert read(HEAD, b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n", pause_secs=0.01) in (
        ([b"abc", b"de"], None),
        ([b"abcde"], None),
    )
    assert read(HEAD + b"0\r\n\r\n") == ([], None)


def test_a_slow_body_is_waited_for() -> None:
    found, error = read(HEAD, b"3\r\nabc\r\n", b"2\r\nde\r\n", b"0\r\n\r\n", pause_secs=0.07)
    assert (b"".join(found), error) == (b"abcde", None)


def test_what_came_before_a_break_is_given() -> None:
    found, error = read(HEAD, b"3\r\nabc\r\n", b"no length\r\n", pause_secs=0.05)
    assert found == [b"abc"]
    assert isinstance(error, aiohttp.ClientPayloadError)


def test_a_packed_body_may_break_too() -> None:
    packed = HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    found, error = read(packed, b"2\r\n\x1f\x8b\r\n", pause_secs=0.03)
    assert found == []
    assert isinstance(error, aiohttp.ClientPayloadError)
