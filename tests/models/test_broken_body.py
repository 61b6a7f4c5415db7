"""Broken body: an answer that breaks off is a model error at once, not after a long silence."""

import asyncio
import ssl
import time
from collections.abc import Callable

import pytest

from leadhand.errors import ModelError
from leadhand.model import text_of
from leadhand.models.http import Http, Limits
from leadhand.testing.step import Step
from tests.models.kit import ANTHROPIC, Dialect, answer, asked, over_http
from tests.tools.web_kit import certificate

Tls = tuple[ssl.SSLContext, ssl.SSLContext]
End = Callable[[asyncio.StreamWriter], object]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNK = b"9\r\n: hello\n\n\r\n"

# What is sent, piece by piece, so that the client has begun to read before it breaks.
BROKEN = {
    "in the middle of a chunk": (CHUNKED, CHUNK, b"64\r\n: hel"),
    "between two chunks": (CHUNKED, CHUNK),
    "in the middle of a length": (CHUNKED, CHUNK, b"6"),
    "before the last line": (CHUNKED, CHUNK, b"0\r\n"),
    "with a length that is none": (CHUNKED, CHUNK, b"zz\r\n: hello\n\n\r\n"),
    "with a length that is too long": (CHUNKED, CHUNK, b"f" * 20 + b"\r\nx"),
    "with a chunk that does not end": (CHUNKED, CHUNK, b"9\r\n: hello\n\nX-X"),
    "with a last line that is none": (CHUNKED, CHUNK, b"0\r\na\x00b c\r\n\r\n"),
    "at its first chunk": (CHUNKED, b"zz\r\n"),
    "before its length is reached": (HEAD + b"Content-Length: 500\r\n\r\n", b": hello\n\n"),
}
# These are broken although the server keeps the connection open.
SENSELESS = [name for name in BROKEN if name.startswith(("with", "at"))]


def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()


def reset(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


def stay(writer: asyncio.StreamWriter) -> None:
    """Leave the connection open."""


def broken(
    dialect: Dialect, parts: tuple[bytes, ...], end: End, tls: Tls | None = None, secs: float = 3
) -> ModelError:
    """The error of an answer that is sent so, and that it comes within so many seconds."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.02)
        end(writer)
        writers.append(writer)

    writers: list[asyncio.StreamWriter] = []

    async def main() -> ModelError:
        server_tls, client_tls = tls or (None, None)
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_tls)
        http = Http(Limits(), client_tls)
        port = server.sockets[0].getsockname()[1]
        model = dialect.make(http, f"{'https' if tls else 'http'}://127.0.0.1:{port}")
        try:
            with pytest.raises(ModelError) as caught:
                async with asyncio.timeout(secs):
                    await model.answer(asked(dialect), lambda text: None)
            return caught.value
        finally:
            await http.close()
            server.close()
            for writer in writers:
                writer.transport.abort()

    return asyncio.run(main())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections are looked at more often, to save the tests' time."""
    monkeypatch.setattr("leadhand.http_body.LOOK_SECS", 0.05)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    try:
        return certificate(tmp_path_factory.mktemp("tls"))
    except FileNotFoundError:
        pytest.skip("there is no openssl to make a certificate with")


def check(error: ModelError) -> None:
    assert (error.kind, error.retryable, error.billed) == ("stream_cut", True, True)
    assert "127.0.0.1" in error.message


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("end", [hang_up, reset])
@pytest.mark.parametrize("parts", BROKEN.values(), ids=BROKEN.keys())
def test_an_answer_that_breaks_off_is_cut(parts: tuple[bytes, ...], end: End) -> None:
    check(broken(ANTHROPIC, parts, end))


@pytest.mark.usefixtures("quick")
@over_http
@pytest.mark.parametrize("name", SENSELESS)
def test_chunks_that_make_no_sense_are_cut_although_the_server_stays(
    dialect: Dialect, name: str
) -> None:
    check(broken(dialect, BROKEN[name], stay))


@pytest.mark.slow
def test_a_connection_is_looked_at_within_a_second() -> None:
    began = time.monotonic()
    check(broken(ANTHROPIC, BROKEN[SENSELESS[0]], stay))
    assert time.monotonic() - began < 2.5


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("end", [hang_up, reset])
@pytest.mark.parametrize("parts", BROKEN.values(), ids=BROKEN.keys())
def test_an_answer_over_tls_that_breaks_off_is_cut(
    parts: tuple[bytes, ...], end: End, tls: Tls
) -> None:
    check(broken(ANTHROPIC, parts, end, tls))


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", SENSELESS)
def test_chunks_over_tls_that_make_no_sense_are_cut_although_the_server_stays(
    name: str, tls: Tls
) -> None:
    check(broken(ANTHROPIC, BROKEN[name], stay, tls))


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
@over_http
def test_an_answer_that_pauses_is_waited_for(dialect: Dialect) -> None:
    slow = Step(text="Slow words.", chunk_delay_secs=0.2)
    assert text_of(answer(dialect, slow).blocks) == "Slow words."


@pytest.mark.usefixtures("quick")
def test_a_refusal_that_breaks_off_is_still_that_refusal() -> None:
    head = b"HTTP/1.1 429 Too Many\r\nretry-after: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    error = broken(ANTHROPIC, (head, b"1\r\n{\r\n", b"zz\r\n"), stay)
    assert (error.kind, error.retry_after_secs, error.billed) == ("rate_limited", 4.0, False)
