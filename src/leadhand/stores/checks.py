"""Checks: what every store refuses before it touches anything, in the same words."""

import re
from collections.abc import Sequence
from hashlib import sha256

from leadhand.errors import StoreError
from leadhand.store import EVENT_MAX_BYTES, Row

_RUN_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def is_run_id(text: str) -> bool:
    """Whether a text may name a run, and so a folder."""
    return _RUN_ID.fullmatch(text) is not None


def check_run_id(run: str) -> None:
    """Raise StoreError unless the text may name a run."""
    if not is_run_id(run):
        message = f"{run[:80]!r} is not a run's id: 1 to 64 of a-z, 0-9 and -, not starting with -."
        raise StoreError(message)


def check_digest(digest: str) -> None:
    """Raise StoreError unless the text may be a blob's digest."""
    if _DIGEST.fullmatch(digest) is None:
        raise StoreError(f"{digest[:80]!r} is not a digest: 64 of 0-9 and a-f.")


def check_content(data: bytes, digest: str, where: str) -> None:
    """Raise StoreError unless the data has this digest."""
    if digest_of(data) != digest:
        raise StoreError(f"{where} is damaged: its content is no longer what its name says.")


def check_rows(after_seq: int, rows: Sequence[Row]) -> None:
    """Raise StoreError unless the rows follow after_seq without a gap and each is small enough."""
    for expected, row in enumerate(rows, after_seq + 1):
        if row.seq != expected:
            raise StoreError(f"Event {expected} was due, but {row.seq} was to be appended.")
        if len(row.data) > EVENT_MAX_BYTES:
            size = len(row.data)
            message = f"Event {row.seq} ({row.kind}) has {size} bytes; {EVENT_MAX_BYTES} may be"
            raise StoreError(f"{message}: longer values are kept as blobs.")
        if not (row.actor.isprintable() and row.kind.isprintable()):
            raise StoreError(f"Event {row.seq}: actor and kind are to be printable.")


def owned_by(run: str, who: str) -> StoreError:
    """The refusal to take away a run that somebody owns."""
    return StoreError(f"Run {run} is not removed: it is run by {who}.")


def digest_of(data: bytes) -> str:
    """The name of a blob: SHA-256 of its content, in hex."""
    return sha256(data).hexdigest()
