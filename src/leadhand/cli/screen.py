"""Screen: the tree of a run on a terminal, drawn anew while it grows."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

from msgspec.structs import replace
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from leadhand.cli.aside import aside
from leadhand.cli.needs import needs
from leadhand.domain.money import show
from leadhand.errors import StoreError
from leadhand.views.tree import LEAD, Branch, Tree, tree
from leadhand.views.words import clock, counted, span
from leadhand.wiring import LiveRun

FRAME_SECS = 0.125
LAST_ROWS = 50
# Below these widths go, one after another: turns; labels; costs and times.
TURNS_WIDTH, LABELS_WIDTH, NUMBERS_WIDTH = 90, 60, 45
STATES = {"Success": "green", "queued": "bright_black", "running": "cyan", "cancelling": "yellow"}
STATES |= dict.fromkeys(("paused", "frozen"), "magenta")


class Screen:
    """Draws the tree of a run from what is durable, in a thread of its own."""

    def __init__(self, live: LiveRun, stream: TextIO) -> None:
        self._engine, self._run_dir = live.engine, live.folder.path.parent
        self._console = console = Console(file=stream, markup=False, highlight=False, emoji=False)
        self._message = ""
        self._drawn: tuple[Tree, str, int] | None = None
        self._live = Live(console=console, auto_refresh=False, transient=True)

    async def run(self) -> None:
        """Draw until cancelled."""
        # A terminal that is gone takes nothing more; a failed store is told by who runs the run.
        with suppress(OSError, StoreError):
            await aside(self._live.start)
            while True:
                await self._engine.flush()
                await self._draw()
                await asyncio.sleep(FRAME_SECS)

    async def close(self) -> None:
        """Take the moving tree away and leave the last one."""
        with suppress(OSError):
            await aside(self._live.stop)
            last = tree(self._engine.run, self._engine.now(), LAST_ROWS)
            await aside(lambda: self._console.print(drawn(last, "", self._console.width)))

    def tell(self, message: str) -> None:
        """Say something below the tree."""
        self._message = message

    async def _draw(self) -> None:
        seen = tree(self._engine.run, self._engine.now(), max(3, self._console.height - 7))
        frame = (in_seconds(seen), self._message, self._console.width)
        if frame == self._drawn:
            return
        self._drawn = frame
        await aside(lambda: self._show(seen))

    def _show(self, seen: Tree) -> None:
        needed = needs(seen.run_id, self._run_dir, questions=seen.questions, paused=seen.paused)
        picture = drawn(seen, self._message, self._console.width, [*needed])
        self._live.update(picture, refresh=True)


def in_seconds(seen: Tree) -> Tree:
    """A tree without what changes faster than its picture."""
    branches = tuple(replace(each, elapsed_ms=each.elapsed_ms // 1000) for each in seen.branches)
    grace = None if seen.grace_ms is None else seen.grace_ms // 1000
    parked = None if seen.parked_ms is None else seen.parked_ms // 1000 * 1000
    return replace(
        seen,
        branches=branches,
        elapsed_ms=seen.elapsed_ms // 1000,
        grace_ms=grace,
        parked_ms=parked,
    )


def drawn(seen: Tree, message: str, width: int, needed: Sequence[str] = ()) -> Group:
    """The picture of a tree, as wide as the terminal. needed: what its operator is to do."""
    numbers, turns = width >= NUMBERS_WIDTH, width >= TURNS_WIDTH
    labels = width >= LABELS_WIDTH and any(each.label for each in seen.branches)
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    if labels:
        grid.add_column(no_wrap=True, overflow="ellipsis", max_width=max(12, width // 5))
    grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for _ in range(turns + 2 * numbers):
        grid.add_column(no_wrap=True, justify="right")
    for each in seen.branches:
        grid.add_row(*row(each, labels=labels, turns=turns, numbers=numbers))
    lines: list[Table | Text] = [grid]
    if seen.hidden:
        lines.append(Text(f"  … and {seen.hidden} more", "bright_black"))
    lines.append(Text(footer(seen), "bright_black", no_wrap=True, overflow="ellipsis"))
    lines += [Text(each, "yellow", no_wrap=True, overflow="ellipsis") for each in needed]
    if message:
        grace = "" if seen.grace_ms is None else f" ({clock(seen.grace_ms)} left)"
        lines.append(Text(message + grace, "yellow"))
    return Group(*lines)


def row(each: Branch, *, labels: bool, turns: bool, numbers: bool) -> list[Text]:
    """An actor's row."""
    lead = each.glyph == LEAD
    name = Text(f"{'  ' * each.depth}{each.glyph} {each.name}", "bold cyan" if lead else "")
    cells = [name, Text(each.state, STATES.get(each.state, "red"))]
    if labels:
        cells.append(Text(each.label))
    cells.append(Text(each.step, "bright_black"))
    if turns:
        cells.append(Text(counted(each.turns, "turn"), "bright_black"))
    if numbers:
        of = "" if each.envelope is None else f" of {show(each.envelope)}"
        cells += [Text(show(each.spent) + of), Text(clock(each.elapsed_ms))]
    return cells


def footer(seen: Tree) -> str:
    """What holds for the whole run."""
    parts = [] if seen.parked_ms is None else [f"parked for {span(seen.parked_ms)} more"]
    parts += [counted(seen.subleads, "sub-lead")] if seen.subleads else []
    parts += [
        f"{counted(seen.spawned, 'worker')} spawned",
        f"{seen.live} of {seen.max_workers} live",
        f"{show(seen.spent)} / {show(seen.budget)}",
        clock(seen.elapsed_ms),
        f"run {seen.run_id}",
    ]
    return " · ".join(parts)
