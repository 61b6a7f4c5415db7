"""Store: the port through which a run's events, verdicts, commands and blobs are kept.

One owner appends to a run; everyone else reads, and drops commands into its inbox.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

EVENT_MAX_BYTES = 65_536
FORMAT = 1


class Row(Struct, frozen=True):
    """One event as it is kept. seq rises by one from 1; data is the encoded event.

    wall_ms is UTC in milliseconds since 1970; run_ms counts only while the run is owned.
    """

    seq: int
    wall_ms: int
    run_ms: int
    actor: str
    kind: str
    data: bytes


class Owned(Struct, frozen=True):
    """The run is ours: every append names this epoch, which rises with each owner."""

    epoch: int


class Held(Struct, frozen=True):
    """Another process owns the run: who that is, for people."""

    by: str


class Letter(Struct, frozen=True):
    """A command that another process dropped into the run's inbox."""

    id: str
    data: bytes
    sender: str
    wall_ms: int


class Store(Protocol):
    """Where runs are kept. Every method may raise StoreError, with what to do about it."""

    async def create(self, run: str, manifest: str) -> None:
        """Make an empty run that keeps this manifest's text. Raises StoreError if it exists."""
        ...

    async def own(self, run: str, who: str) -> Owned | Held:
        """Take ownership, which ends with release or with this process."""
        ...

    async def release(self, run: str) -> None:
        """Give ownership back."""
        ...

    async def held(self, run: str) -> str:
        """Who owns the run now, for people; empty where nobody does. Changes nothing."""
        ...

    async def remove(self, run: str) -> None:
        """Take a run away with all that belongs to it, for good. Raises StoreError where somebody
        owns it."""
        ...

    async def runs(self) -> list[str]:
        """The ids of all runs, oldest first."""
        ...

    async def append(
        self,
        run: str,
        epoch: int,
        after_seq: int,
        rows: Sequence[Row],
        verdicts: Mapping[str, bytes],
        head: bytes,
    ) -> None:
        """Add rows, verdicts and the new head in one durable step, or nothing of it.

        Raises NotOwner for another epoch than the present one, StoreError where after_seq is
        not the last seq.
        """
        ...

    async def head(self, run: str) -> bytes:
        """What the last append gave as head; empty before the first."""
        ...

    async def read(
        self, run: str, after: int = 0, actor: str | None = None, limit: int = 1000
    ) -> list[Row]:
        """Rows with seq > after, of one actor or all, at most limit, in order."""
        ...

    async def submit(self, run: str, letter: Letter) -> None:
        """Drop a command into the inbox; the same id twice is one letter."""
        ...

    async def take(self, run: str) -> list[Letter]:
        """The letters that have no verdict yet, in the order they came."""
        ...

    async def verdict(self, run: str, letter_id: str) -> bytes | None:
        """The verdict on a letter, once there is one."""
        ...

    async def watch(self, run: str, after: int, timeout_secs: float) -> bool:
        """Wait until a row with seq > after is there; False when the time ran out."""
        ...

    async def put_blob(self, run: str, data: bytes) -> str:
        """Keep data durably under its digest (SHA-256, hex), and give the digest."""
        ...

    async def get_blob(self, run: str, digest: str) -> bytes:
        """The data of a digest. Raises StoreError where it is missing or damaged."""
        ...

    async def close(self) -> None:
        """Release everything."""
        ...
