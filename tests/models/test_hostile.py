"""Hostile: whatever bytes a server sends, the caller gets an answer or ModelError, in bounded time
and memory, and never another exception."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from leadhand.domain.money import Usage
from leadhand.errors import ModelError
from leadhand.model import Answer, Request
from leadhand.models.anthropic_events import Reading as AnthropicReading
from leadhand.models.http import Http, Limits
from leadhand.models.openai import Reading as ChatReading
from leadhand.models.openai_responses import Reading as ResponsesReading
from leadhand.models.sse import END, Events
from leadhand.models.wire import encode
from leadhand.testing.dialects import anthropic, openai_chat, openai_responses
from leadhand.testing.dialects.saying import Said
from leadhand.testing.step import Step
from tests.models.kit import ANTHROPIC, CHAT, DIALECTS, RESPONSES, Dialect, asked, over_http

LIMITS = Limits(
    connect_secs=2, first_byte_secs=2, silence_secs=1, total_secs=3, event_bytes=1_000_000
)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
PLAIN = HEAD + b"Connection: close\r\n\r\n"


def raw(
    dialect: Dialect,
    send: bytes | Callable[[asyncio.StreamWriter], Any],
    limits: Limits = LIMITS,
) -> ModelError:
    """The error that a server makes which sends these bytes, whatever it is asked."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            if isinstance(send, bytes):
                writer.write(send)
                await writer.drain()
            else:
                await send(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def main() -> ModelError:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        http = Http(limits)
        model = dialect.make(http, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        try:
            with pytest.raises(ModelError) as caught:
                await model.answer(asked(dialect), lambda text: None)
            return caught.value
        finally:
            await http.close()
            server.close()

    return asyncio.run(main())


BYTES = {
    "nothing": (b"", "network"),
    "no HTTP": (b"\x00\xff\x16\x03 hello\r\n\r\n", "protocol"),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-Ty", "network"),
    "a head without end": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "protocol"),
    "a status that is none": (b"HTTP/1.1 9999999 Yes\r\n\r\n", "protocol"),
    "a length that is none": (HEAD + b"Content-Length: -5\r\n\r\n", "protocol"),
    "a length that is wrong": (HEAD + b"Content-Length: 500\r\n\r\n: hello\n\n", "stream_cut"),
    "chunks that are none": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
        "protocol",
    ),
    "no body": (PLAIN, "stream_cut"),
    "a text": (PLAIN + b"I am not a model.\n\n", "stream_cut"),
    "a line that is too long": (PLAIN + b"data: " + b"x" * 1_100_000, "protocol"),
    "an event that is too long": (PLAIN + b"data: {\n" * 200_000, "protocol"),
    "bytes that are no text": (
        PLAIN + b'data: {"type": "\xff", "choices": "\xff"}\n\n',
        "protocol",
    ),
    "half a letter": (PLAIN + b'data: {"type": "\\ud800"}\n\n', "protocol"),
    "a deep nest": (PLAIN + b"data: " + b'{"delta":' * 100_000 + b"\n\n", "protocol"),
    "a list": (PLAIN + b"data: []\n\n", "protocol"),
    "compressed nonsense": (HEAD + b"Content-Encoding: gzip\r\n\r\nnot gzip", "stream_cut"),
}


@over_http
@pytest.mark.parametrize(("send", "kind"), BYTES.values(), ids=BYTES.keys())
def test_bytes_that_are_no_answer_are_a_model_error(
    dialect: Dialect, send: bytes, kind: str
) -> None:
    error = raw(dialect, send)
    assert error.kind == kind
    assert error.billed
    assert "127.0.0.1" in error.message


@over_http
def test_a_refusal_that_never_ends_is_still_that_refusal(dialect: Dialect) -> None:
    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 429 Too Many\r\nretry-after: 4\r\nContent-Length: 500\r\n\r\n{")
        await writer.drain()
        await asyncio.sleep(60)

    error = raw(dialect, send, replace(LIMITS, silence_secs=0.2))
    assert (error.kind, error.retry_after_secs, error.billed) == ("rate_limited", 4.0, False)


@over_http
def test_an_endless_stream_ends_at_its_deadline(dialect: Dialect) -> None:
    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(PLAIN)
        while True:
            writer.write(b": still here\n\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    assert raw(dialect, send, replace(LIMITS, total_secs=0.2)).kind == "timeout"


@over_http
def test_a_flood_ends_at_its_bound(dialect: Dialect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadhand.models.http.STREAM_SPARE", 1_000_000)

    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(PLAIN)
        while True:
            writer.write(b": " + b"x" * 60_000 + b"\n\n")
            await writer.drain()

    error = raw(dialect, send)
    assert (error.kind, error.billed) == ("protocol", True)
    assert "longer than any answer" in error.message


# Streams that were whole once: mixed up, and with other values in them

SAID = Step(
    thinking="Think.",
    text="Words and words.",
    calls=(("Read", {"path": "a"}), ("Bash", {"command": "ls"})),
)
STREAMS: list[tuple[Dialect, Any, Callable[..., Any]]] = [
    (ANTHROPIC, anthropic.DIALECT, AnthropicReading),
    (CHAT, openai_chat.DIALECT, ChatReading),
    (RESPONSES, openai_responses.DIALECT, ResponsesReading),
]


def events(dialect: Dialect, says: Any) -> list[Any]:
    """The events of an ordinary answer, decoded; the end mark as its text."""
    said = Said(asked(dialect), SAID, Usage(10, 20, 3, 4), "seed")
    stream = Events().feed(b"".join(says.stream(said)))
    return ["[DONE]" if data == b"[DONE]" else json.loads(data) for data in stream]


def read(request: Request, reading: Any, stream: list[Any]) -> Answer | None:
    """What a reader makes of a stream; None where it never ends."""
    for event in stream:
        data = event if isinstance(event, str) else json.dumps(event)
        if reading.take(data.encode(errors="replace")):
            return answered(reading, request)
    return answered(reading, request) if reading.take(END) else None


def answered(reading: Any, request: Request) -> Answer:
    """The answer of a reader."""
    if isinstance(reading, AnthropicReading):
        return reading.answer(request, b"body", by_tool=False)
    found: Answer = reading.answer(request, b"body")
    return found


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


@st.composite
def spoiled(draw: st.DrawFn, stream: list[Any]) -> list[Any]:
    """The stream with some of its events lost, doubled, moved, or with other values inside."""
    found = list(stream)
    for _ in range(draw(st.integers(1, 4))):
        if not found:
            break
        place = draw(st.integers(0, len(found) - 1))
        match draw(st.sampled_from(["lose", "double", "move", "value", "value", "value"])):
            case "lose":
                del found[place]
            case "double":
                found.insert(place, found[place])
            case "move":
                found.append(found.pop(place))
            case _:
                found[place] = other(draw, found[place])
    return found


def other(draw: st.DrawFn, value: Any) -> Any:
    """The value with another somewhere in it."""
    if isinstance(value, dict) and value and draw(st.booleans() | st.just(True)):
        key = draw(st.sampled_from(sorted(value)))
        if draw(st.integers(0, 5)) == 0:
            return {name: each for name, each in value.items() if name != key}
        return value | {key: other(draw, value[key])}
    if isinstance(value, list) and value and draw(st.booleans()):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], other(draw, value[place]), *value[place + 1 :]]
    return draw(VALUES)


@pytest.mark.slow
@pytest.mark.parametrize(("dialect", "says", "make"), STREAMS, ids=DIALECTS)
@given(data=st.data())
def test_a_spoiled_stream_is_an_answer_or_a_model_error(
    dialect: Dialect, says: Any, make: Callable[..., Any], data: st.DataObject
) -> None:
    stream = data.draw(spoiled(events(dialect, says)))
    try:
        found = read(asked(dialect), make(lambda text: None), stream)
    except ModelError:
        return
    if found is not None:
        # What an answer holds can be stored.
        assert encode(found)
        assert min(msgspec.structs.astuple(found.usage)) >= 0


@pytest.mark.parametrize(("dialect", "says", "make"), STREAMS, ids=DIALECTS)
def test_a_whole_stream_is_read_whole(
    dialect: Dialect, says: Any, make: Callable[..., Any]
) -> None:
    found = read(asked(dialect), make(lambda text: None), events(dialect, says))
    assert found is not None
    assert found.usage == (Usage(10, 20, 3, 4) if dialect is not CHAT else found.usage)
