"""Dispatch: runs a manifest from its first event to its report."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from leadhand import api
from leadhand.cli.background import announce as tell
from leadhand.cli.background import (
    announce_option,
    arguments,
    drain_without,
    leave_terminal,
    parent_option,
    start,
)
from leadhand.cli.checked import changes, good, manifest_options
from leadhand.cli.drive import drive, quiet_option
from leadhand.cli.options import json_option, run_dir_option
from leadhand.cli.validate import validated
from leadhand.domain.prices import LOCAL
from leadhand.load.options import Option
from leadhand.views.words import plain


@click.command("dispatch")
@click.argument("manifest", type=click.Path(path_type=Path))
@run_dir_option
@json_option
@quiet_option
@manifest_options
@click.option("--dry-run", is_flag=True, help="Check it, show what would run, start nothing.")
@click.option("--background", is_flag=True, help="Print one line of JSON once it runs, and return.")
@announce_option
@parent_option
def command(
    manifest: Path,
    run_dir: Path,
    as_json: bool,
    quiet: bool,
    dry_run: bool,
    background: bool,
    announce: int | None,
    parent: int | None,
    **options: Any,
) -> int:
    """Run a manifest: its lead, and the workers that the lead spawns.

    What `leadhand validate` would say of it is said first. Ctrl-C drains the run: nothing new
    starts, and everybody is told to wrap up. Ctrl-C again stops it at once. Either way `leadhand
    resume` goes on with it.
    """
    if dry_run:
        return validated(manifest, options, as_json=as_json)
    if background:
        return start(arguments(manifest, run_dir, options, as_json=as_json, quiet=quiet))
    if announce is not None:
        leave_terminal()
    set_ = changes(**options)
    # Models are loaded here, where Ctrl-C still ends a script that does not return.
    checked, asked, _ = good(manifest, set_)
    for name in checked.local:
        if not name.startswith(LOCAL):
            click.echo(f"warning: the model {plain(name)} is unpriced: local", err=True)
    text = with_options(checked.found.text, set_)
    watching: list[asyncio.Task[None]] = []

    async def begin(leadhand: api.Leadhand) -> api.RunHandle:
        handle = await leadhand.start(asked, text, models=checked.models)
        if announce is not None and handle.live is not None:
            tell(handle.live, announce)
            if parent is not None and not asked.lifecycle.survive_parent:
                watch = drain_without(parent, handle.live)
                # It ends with the loop, and is kept from being forgotten by it.
                watching.append(asyncio.create_task(watch, name="parent"))
        return handle

    return drive(run_dir, begin, as_json=as_json, quiet=quiet)


def with_options(text: str, set_: Sequence[Option]) -> str:
    """The manifest as the run keeps it: what the command line set stands below it."""
    words = dict.fromkeys(option.words for option in set_)
    return text if not words else f"{text}\n# Dispatched with {' '.join(words)}\n"
