"""Sse: events are cut out of bytes the same way, wherever the chunks are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadhand.errors import ModelError
from leadhand.models.sse import Events, data_of

LINES = st.lists(
    st.sampled_from(
        [
            b"data: {}",
            b"data:x",
            b"data:  two spaces",
            b"data",
            b"data: ",
            b"event: data: y",
            b": a comment",
            b"id: 7",
            b"",
            b"",
        ]
    ),
    max_size=12,
)


def by_the_book(text: bytes) -> list[bytes]:
    """The events of a text with plain line ends, read line by line."""
    found, data = [], []
    for line in text.split(b"\n")[:-1]:
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line:
            found.append(b"\n".join(data))
            data = []
    return [event for event in found if event]


@given(LINES, st.sampled_from([b"\n", b"\r\n"]), st.data())
def test_events_are_the_same_wherever_the_chunks_are_cut(
    lines: list[bytes], end: bytes, data: st.DataObject
) -> None:
    text = b"".join(line + end for line in lines)
    places = data.draw(st.lists(st.integers(0, len(text)), max_size=6).map(sorted))
    events, found = Events(), []
    for start, stop in zip([0, *places], [*places, len(text)], strict=True):
        found += events.feed(text[start:stop])
    assert found == by_the_book(text.replace(b"\r\n", b"\n"))


def test_several_lines_of_data_are_one_text() -> None:
    assert data_of(b"event: x\ndata: one\ndata: two\nid: 3") == b"one\ntwo"


def test_the_end_of_the_stream_completes_a_last_event() -> None:
    events = Events()
    assert events.feed(b"data: [DONE]\n") == []
    assert events.end() == [b"[DONE]"]
    assert events.end() == []


def test_a_line_that_was_cut_is_no_event() -> None:
    events = Events()
    assert events.feed(b'data: {"type": "message_st') == []
    assert events.end() == []


@pytest.mark.parametrize("chunk", [b"data: " + b"x" * 600, b"data: x\n" * 75])
def test_an_event_that_grows_without_end_is_refused(chunk: bytes) -> None:
    events = Events(event_max=1_000)
    events.feed(chunk)
    with pytest.raises(ModelError):
        events.feed(chunk)


def test_many_events_are_not_one_that_is_too_long() -> None:
    events = Events(event_max=1_000)
    for _ in range(100):
        assert events.feed(b"data: " + b"x" * 600 + b"\n\n") == [b"x" * 600]
