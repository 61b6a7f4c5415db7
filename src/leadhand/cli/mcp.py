"""Mcp: lets an MCP client lead a run, within the house rules of a manifest."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from leadhand import api, freeze, wiring
from leadhand.api.names import command_on
from leadhand.api.result import Ending
from leadhand.cli.checked import changes, good, manifest_options
from leadhand.cli.dispatch import with_options
from leadhand.cli.options import run_dir_option
from leadhand.cli.outcome import Outcome
from leadhand.cli.paper import print_bytes
from leadhand.cli.signals import Signals, to_stderr
from leadhand.domain.ids import ROOT
from leadhand.domain.manifest import OUTSIDE
from leadhand.errors import UsageError
from leadhand.harnesses import outside
from leadhand.load.options import Option

STDIO_GRACE_SECS = 30
# How long a client may take to read the last answer.
LINGER_SECS = 2.0


@click.command("mcp")
@click.argument("manifest", type=click.Path(path_type=Path), required=False)
@click.option("--resume", metavar="RUN", help="Go on leading a run that was begun so.")
@click.option("--http", is_flag=True, help="Listen on 127.0.0.1; print url and token as JSON.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Where to listen. [any that is free]")
@click.option(
    "--grace",
    type=click.IntRange(0, 86_400),
    help="Seconds for which the client may stay away before the run ends. [30, over HTTP 900]",
)
@click.option(
    "--patience",
    type=click.IntRange(1, 86_400),
    default=50,
    show_default=True,
    help="Seconds after which a wait is answered though it goes on, since clients give up calls.",
)
@run_dir_option
@manifest_options
def command(
    manifest: Path | None,
    resume: str | None,
    http: bool,
    port: int | None,
    grace: int | None,
    patience: int,
    run_dir: Path,
    **options: Any,
) -> int:
    """Let an MCP client lead a run, within the house rules of a manifest.

    Over standard input and output the client gets the tools of a lead, and one more, finish, which
    ends the run with its report. The house rules of the manifest hold as for any lead; its own
    turns cost us nothing. Workers have the model that the manifest gives.
    """
    if (manifest is None) == (resume is None):
        raise click.UsageError("give either a manifest or --resume RUN")
    set_ = changes(**options)
    secs = grace if grace is not None else outside.GRACE_SECS if http else STDIO_GRACE_SECS

    async def led() -> Outcome:
        async with api.open(run_dir) as leadhand:
            run = await begun(leadhand, manifest, resume, set_, secs, http=http)
            live = run.live
            assert live is not None
            then = command_on("mcp --resume", run.id, run_dir)
            with Signals(live, to_stderr, then) as signals:
                door = over_http(live, port, patience) if http else over_stdio(live, patience)
                ending = await until_ended(run, asyncio.create_task(door, name="door"))
            return Outcome(ending, run_dir, interrupted=signals.count > 0)

    found = asyncio.run(led())
    to_stderr(f"run {found.run.id}: {found.ending.status}")
    return found.exit_code


async def begun(
    leadhand: api.Leadhand,
    manifest: Path | None,
    resume: str | None,
    set_: Sequence[Option],
    grace_secs: float,
    *,
    http: bool,
) -> api.RunHandle:
    """The run that the client leads. Raises UsageError where it is led otherwise."""
    if manifest is not None:
        checked, asked, _ = await asyncio.to_thread(good, manifest, set_)
        text = with_options(checked.found.text, set_)
        run = await leadhand.start(freeze.led_outside(asked), text, models=checked.models)
    else:
        run = await leadhand.take_up(resume or "", [])
    assert run.live is not None
    held = run.live.engine.run.manifest
    if held is None or held.lead.settings.model != OUTSIDE:
        raise UsageError(f"run {run.id} is led by a model; `leadhand resume {run.id}` goes on")
    presence = run.live.presence
    presence.grace_secs = grace_secs
    if not http:
        # Who started us is there, from the first moment on.
        presence.seen(ROOT, True)
    return run


async def until_ended(run: api.RunHandle, serving: "asyncio.Task[None]") -> Ending:
    """What the run ends as; one whose door cannot be opened is let go of."""
    ended = asyncio.ensure_future(run.ended())
    try:
        await asyncio.wait([ended, serving], return_when=asyncio.FIRST_COMPLETED)
        if serving.done() and serving.exception() is not None:
            run.suspend()
            await asyncio.wait([ended])
            await serving
        ending = await ended
        await asyncio.wait([serving], timeout=LINGER_SECS)
        return ending
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def over_stdio(live: wiring.LiveRun, patience: int) -> None:
    """Serve the lead on standard input and output until the client closes them."""
    try:
        from leadhand.mcp.stdio import serve
    except ImportError as error:
        raise UsageError(wiring.NO_MCP) from error
    try:
        await serve(live.desk(patience), ROOT)
    finally:
        live.presence.seen(ROOT, False)


async def over_http(live: wiring.LiveRun, port: int | None, patience: int) -> None:
    """Serve the lead over HTTP until cancelled."""
    doors = live.doors(patience)
    await doors.start(port or 0)
    door = await doors.open(ROOT)
    told = {"run_id": live.run_id, "url": door.url, "token": door.token}
    print_bytes(msgspec.json.encode(told) + b"\n")
    await asyncio.Event().wait()
