"""Drive: lets a run that this process owns go on, shows it, and tells what it has come to."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import nullcontext, redirect_stdout, suppress
from pathlib import Path
from typing import Protocol, TextIO

import click

from leadhand import api
from leadhand.api.names import resume_command
from leadhand.api.result import Ending
from leadhand.cli import drop_output
from leadhand.cli.aside import aside
from leadhand.cli.ending import nobody_reads, report_bug
from leadhand.cli.lines import Lines
from leadhand.cli.outcome import Outcome, page, summary
from leadhand.cli.paper import draws, flush, print_json, say
from leadhand.cli.signals import Signals, to_stderr
from leadhand.wiring import LiveRun

# The first model request goes before the first picture.
HEAD_START_SECS = 0.1

Begin = Callable[[api.Leadhand], Awaitable[api.RunHandle]]

quiet_option = click.option("--quiet", "-q", is_flag=True, help="Show no progress.")


class Shown(Protocol):
    """What shows the progress of a run."""

    async def run(self) -> None:
        """Show it until cancelled."""
        ...

    async def close(self) -> None:
        """Show the last of it."""
        ...

    def tell(self, message: str) -> None:
        """Say something beside it."""
        ...


class Nothing:
    """Shows no progress."""

    async def run(self) -> None:
        """See Shown.run."""

    async def close(self) -> None:
        """See Shown.close."""

    def tell(self, message: str) -> None:
        """See Shown.tell."""
        to_stderr(message)


class OnTerminal:
    """Shows a tree, which is loaded once the run is on its way."""

    def __init__(self, live: LiveRun, stream: TextIO) -> None:
        self._live, self._stream = live, stream
        self._screen: Shown | None = None
        self._told = ""

    async def run(self) -> None:
        """See Shown.run."""
        await asyncio.sleep(HEAD_START_SECS)
        await (await self._loaded()).run()

    async def close(self) -> None:
        """See Shown.close."""
        await (await self._loaded()).close()

    def tell(self, message: str) -> None:
        """See Shown.tell."""
        self._told = message
        if self._screen is not None:
            self._screen.tell(message)

    async def _loaded(self) -> Shown:
        if self._screen is None:
            self._screen = await aside(lambda: load_screen(self._live, self._stream))
            self._screen.tell(self._told)
        return self._screen


def load_screen(live: LiveRun, stream: TextIO) -> Shown:
    """The tree on a terminal, with what it takes to draw it."""
    from leadhand.cli.screen import Screen

    return Screen(live, stream)


def drive(run_dir: Path, begin: Begin, *, as_json: bool, quiet: bool) -> int:
    """Begin a run and see it to its end, a drain or a stop; its exit code."""
    # What a model's own code prints does not get between the JSON.
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        found = asyncio.run(driven(run_dir, begin, as_json=as_json, quiet=quiet))
    try:
        if as_json:
            print_json(summary(found))
        else:
            for text in page(found):
                say(text)
        flush()
    except OSError as error:
        # The run matters more than who read about it.
        if not nobody_reads(error):
            raise
        drop_output()
    return found.exit_code


async def driven(run_dir: Path, begin: Begin, *, as_json: bool, quiet: bool) -> Outcome:
    """What a run has come to."""
    async with api.open(run_dir) as leadhand:
        run = await begin(leadhand)
        live = run.live
        assert live is not None
        shown = shown_for(live, as_json=as_json, quiet=quiet)
        resume = resume_command(run.id, run_dir)
        with Signals(live, shown.tell, resume) as signals:
            try:
                ending = await go(run, live, shown)
            except Exception:
                to_stderr(f"run {run.id} was interrupted: `{resume}` continues it")
                raise
        return Outcome(ending, run_dir, interrupted=signals.count > 0)


async def go(run: api.RunHandle, live: LiveRun, shown: Shown) -> Ending:
    """What the run ends as, shown meanwhile; what goes wrong in showing does not touch it."""
    showing = asyncio.create_task(shown.run(), name="progress")
    try:
        return await run.ended()
    finally:
        showing.cancel()
        [ended] = await asyncio.gather(showing, return_exceptions=True)
        if isinstance(ended, Exception):
            report_bug(ended)
        with suppress(OSError):
            await shown.close()
        if live.complaint:
            to_stderr(live.complaint)


def shown_for(live: LiveRun, *, as_json: bool, quiet: bool) -> Shown:
    """The progress that fits where the output goes: a tree, lines, or nothing."""
    stream = sys.stderr if as_json else sys.stdout
    if quiet or stream is None:
        return Nothing()
    if draws(stream):
        return OnTerminal(live, stream)
    return Nothing() if as_json else Lines(live)
