"""Live: the words of turns that are not over, in files for people; unsynced, never read back."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress

from leadhand.domain.ids import ActorId
from leadhand.domain.state import Run
from leadhand.folder import Folder
from leadhand.harness import Words
from leadhand.stores.codec import Secrets

# Words come by the dozen a second from each of a thousand actors; nobody reads faster than this.
EVERY_SECS = 0.25


class LiveWords(Words):
    """Keeps the words of each turn in live/<actor>.txt, written together a few times a second."""

    def __init__(self, run: Run, folder: Folder, secrets: Secrets) -> None:
        """run: whose live actors' words are kept; a settled actor's file is gone."""
        self._run, self._folder, self._secrets = run, folder, secrets
        self._waiting: dict[ActorId, list[str]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, actor: ActorId) -> Callable[[str], None]:
        """See `Words.begin`."""
        self._waiting.pop(actor, None)
        # At once: words in the file while a turn goes on are that turn's.
        with suppress(OSError):
            os.truncate(self._folder.words(actor), 0)

        def write(text: str) -> None:
            if not text:
                return
            self._waiting.setdefault(actor, []).append(text)
            if self._timer is None:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(EVERY_SECS, self._flush)

        return write

    def _flush(self) -> None:
        """Write what has come since the last time."""
        self._timer = None
        waiting, self._waiting = self._waiting, {}
        for actor, texts in waiting.items():
            if actor in self._run.actors:
                # Words for people to look at stop nothing where they cannot be written.
                with suppress(OSError):
                    self._put(actor, "".join(texts))

    def _put(self, actor: ActorId, text: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_APPEND
        data = self._secrets.clean(text).encode(errors="replace")
        file = os.open(self._folder.words(actor), flags, 0o600)
        try:
            os.write(file, data)
        finally:
            os.close(file)
