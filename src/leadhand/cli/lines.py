"""Lines: the progress of a run as one plain line a step, for pipes, files and CI."""

import asyncio
import sys
from collections import deque
from collections.abc import Sequence

from leadhand.cli.aside import aside
from leadhand.cli.events import human
from leadhand.cli.needs import needs
from leadhand.engine.log import Stamped
from leadhand.views.timeline import entry
from leadhand.wiring import LiveRun

# A reader that stands still never holds up the run: beyond this many, older lines are left out.
WAITING_MAX = 5_000


class Lines:
    """Prints each step of a run as it becomes durable, from a thread of its own."""

    def __init__(self, live: LiveRun) -> None:
        self._waiting: deque[str] = deque(maxlen=WAITING_MAX)
        self._left_out = 0
        self._work = asyncio.Event()
        self._gone = False
        self._take(f"run {live.run_id} in {live.folder.path}")
        run, run_dir = live.engine.run, live.folder.path.parent
        waits = needs(live.run_id, run_dir, questions=len(run.questions), paused=run.paused)
        for each in waits:
            self._take(each)
        live.engine.listen(self._heard)

    async def run(self) -> None:
        """Print until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            await aside(self._write)

    async def close(self) -> None:
        """Print what is left."""
        await aside(self._write)

    def tell(self, message: str) -> None:
        """Say something between the lines."""
        self._take(message)

    def _heard(self, events: Sequence[Stamped]) -> None:
        for stamped in events:
            shown = entry(stamped.at, stamped.event)
            if shown.step:
                self._take("  ".join(human(shown)))

    def _take(self, text: str) -> None:
        self._left_out += len(self._waiting) == WAITING_MAX
        self._waiting.append(text)
        self._work.set()

    def _write(self) -> None:
        while self._waiting and not self._gone:
            text = self._waiting.popleft()
            left_out, self._left_out = self._left_out, 0
            try:
                if left_out:
                    sys.stdout.write(f"({left_out} lines were left out)\n")
                sys.stdout.write(text + "\n")
                if not self._waiting:
                    sys.stdout.flush()
            except (OSError, ValueError, AttributeError):
                # Whoever read this is gone; the run goes on.
                self._gone = True
