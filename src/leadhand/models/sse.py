"""Sse: server-sent events, cut out of the bytes as they come."""

from leadhand.errors import ModelError

EVENT_MAX = 16 * 1024 * 1024
# What a reader is given when the stream has ended; no event is empty.
END = b""


class Events:
    """Collects bytes and gives the data of each event that they complete.

    Names, ids and comments are left out: in every dialect here the data says what it is. What
    grows beyond event_max without completing an event is refused, so that a hostile server cannot
    fill the memory; and each byte is joined once, so that it cannot take the time either.
    """

    def __init__(self, event_max: int = EVENT_MAX) -> None:
        self._event_max = event_max
        self._parts: list[bytes] = []
        self._size = 0
        self._carriage = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that this chunk completes. Raises ModelError(protocol)."""
        if self._carriage or b"\r" in chunk:
            chunk = self._unix(chunk)
        if b"\n\n" not in chunk and not self._completes(chunk):
            self._keep(chunk)
            return []
        blocks = b"".join((*self._parts, chunk)).split(b"\n\n")
        self._parts, self._size = [], 0
        self._keep(blocks.pop())
        return [data for block in blocks if (data := data_of(block))]

    def end(self) -> list[bytes]:
        """The data of a last event that only the end of the stream completes."""
        lines, newline, _ = b"".join(self._parts).rpartition(b"\n")
        self._parts, self._size = [], 0
        data = data_of(lines) if newline else b""
        return [data] if data else []

    def _unix(self, chunk: bytes) -> bytes:
        """The chunk with plain line ends; a carriage return at its end waits for the next."""
        chunk = self._carriage + chunk
        self._carriage = b"\r" if chunk.endswith(b"\r") else b""
        return chunk.removesuffix(b"\r").replace(b"\r\n", b"\n")

    def _completes(self, chunk: bytes) -> bool:
        """Whether the empty line that ends an event was parted by the chunks."""
        return bool(self._parts) and chunk.startswith(b"\n") and self._parts[-1].endswith(b"\n")

    def _keep(self, part: bytes) -> None:
        if part:
            self._parts.append(part)
            self._size += len(part)
            if self._size > self._event_max:
                raise ModelError(f"an event is longer than {self._event_max} bytes")


def data_of(block: bytes) -> bytes:
    """The data of one event; none where it has none."""
    head, found, data = block.partition(b"data: ")
    # Nearly every event has one line of data, and it is the last.
    alone = not head or (head.endswith(b"\n") and b"data:" not in head)
    if found and alone and b"\n" not in data:
        return data
    lines = [line for line in block.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines)
