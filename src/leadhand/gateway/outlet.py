"""Outlet: an answer on its way to a client, which may read as slowly as it likes.

Law: what a client could act on is held back until the answer is durable.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from msgspec import Struct


class Declined(Struct, frozen=True):
    """What a provider said instead of an answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Buffered:
    """Keeps what the client has not read yet; see `model.Outlet`.

    headers: of the answer, once there is something of it to read. instead: what the provider said
    last where that was no answer.
    """

    def __init__(self, words: Callable[[str], None]) -> None:
        """words: is given the words of the answer as they come."""
        self._words = words
        self.headers: dict[str, str] | None = None
        self.instead: Declined | None = None
        self._begun: dict[str, str] = {}
        self._ready: deque[bytes] = deque()
        self._held: list[bytes] = []
        self._over = False
        self._changed = asyncio.Event()

    def begin(self, headers: dict[str, str]) -> None:
        """See `model.Outlet.begin`."""
        self._begun, self.instead = headers, None

    def take(self, data: bytes, *, acts: bool) -> None:
        """See `model.Outlet.take`."""
        if not data:
            return
        if acts or self._held:
            self._held.append(data)
            return
        self._pass((data,))

    def words(self, text: str) -> None:
        """See `model.Outlet.words`."""
        self._words(text)

    def declined(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """See `model.Outlet.declined`."""
        self.instead = Declined(status, headers, body)

    def release(self) -> None:
        """The answer is durable: let go of all of it."""
        self._pass(self._held)
        self._held = []

    def end(self) -> None:
        """Nothing more comes; what was held back and not let go of is not passed on."""
        self._over = True
        self._changed.set()

    async def more(self) -> bytes:
        """The next bytes for the client; none at the end."""
        while not self._ready and not self._over:
            self._changed.clear()
            await self._changed.wait()
        data = b"".join(self._ready)
        self._ready.clear()
        return data

    def _pass(self, parts: "tuple[bytes, ...] | list[bytes]") -> None:
        if self.headers is None:
            self.headers = self._begun
        self._ready.extend(parts)
        self._changed.set()
