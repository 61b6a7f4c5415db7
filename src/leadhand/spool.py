"""Spool: the output of a command, kept within a bound."""

import tempfile

KEEP_BYTES_MAX = 16_777_216
_IN_MEMORY_BYTES = 262_144


class Spool:
    """The output of a command: its first and last bytes up to `keep`, in a nameless file."""

    def __init__(self, keep: int) -> None:
        self.total = 0
        self._keep = max(2, min(keep, KEEP_BYTES_MAX))
        self._half = self._keep // 2
        self._full = False
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115

    def write(self, data: bytes) -> None:
        """Take the next bytes. A full disk drops them."""
        view = memoryview(data)
        while view:
            at, ring = self.total, self._keep - self._half
            place = at if at < self._half else self._half + (at - self._half) % ring
            room = (self._half if at < self._half else self._keep) - place
            self._put(place, view[:room])
            self.total += len(view[:room])
            view = view[room:]

    def _put(self, place: int, data: memoryview) -> None:
        if self._full:
            return
        try:
            self._file.seek(place)
            self._file.write(data)
        except OSError:
            self._full = True

    def read(self) -> tuple[bytes, int]:
        """What was kept, and how many bytes of its middle were not."""
        if self._full:
            note = b"[the output was lost: the disk for temporary files is full]\n"
            return note, self.total
        self._file.seek(0)
        kept = self._file.read()
        dropped = self.total - len(kept)
        if dropped <= 0:
            return kept, 0
        cut = self._half + (self.total - self._half) % (self._keep - self._half)
        note = f"\n[... {dropped} bytes were dropped here ...]\n".encode()
        return kept[: self._half] + note + kept[cut:] + kept[self._half : cut], dropped

    def close(self) -> None:
        """Forget it all, and what may still come."""
        self._full = True
        self._file.close()
