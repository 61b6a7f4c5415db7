"""Dispatch: runs a manifest from its first event to its report."""

from pathlib import Path

import click

from leadhand import api, freeze, wiring
from leadhand.cli.drive import drive, quiet_option
from leadhand.cli.options import json_option, run_dir_option
from leadhand.load import load
from leadhand.views.words import plain


@click.command("dispatch")
@click.argument("manifest", type=click.Path(path_type=Path))
@run_dir_option
@json_option
@quiet_option
def command(manifest: Path, run_dir: Path, as_json: bool, quiet: bool) -> int:
    """Run a manifest: its lead, and the workers that the lead spawns.

    Ctrl-C drains the run: nothing new starts, and everybody is told to wrap up. Ctrl-C again stops
    it at once. Either way `leadhand resume` goes on with it.
    """
    loaded = load(manifest)
    for warning in loaded.warnings:
        click.echo(f"warning: {plain(warning)}", err=True)
    asked = freeze.with_absolute_scripts(loaded.manifest, manifest.absolute().parent)
    # Loaded here, where Ctrl-C still ends a script that does not return.
    models = wiring.make_models(providers=asked.providers)
    priced = freeze.priced(asked, models)
    for name in sorted(priced.prices.keys() - asked.prices.keys()):
        click.echo(f"warning: the model {plain(name)} is unpriced: local", err=True)

    async def begin(leadhand: api.Leadhand) -> api.RunHandle:
        return await leadhand.start(priced, loaded.text, models=models)

    return drive(run_dir, begin, as_json=as_json, quiet=quiet)
