"""Schema: what a manifest may hold, for editors and for people."""

import click

from leadhand.cli.paper import print_json, say
from leadhand.load.schema import example, schema


@click.command("schema")
@click.argument("what", type=click.Choice(["manifest"]), default="manifest")
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "example"]),
    default="json",
    help="JSON Schema, or a commented manifest with every key.",
)
def command(what: str, form: str) -> None:
    """What a manifest may hold, as JSON Schema or as an example.

    An editor that knows TOML takes the schema: keep it in a file, and put `#:schema FILE` at the
    top of the manifest.
    """
    if form == "example":
        say(example().rstrip("\n"))
    else:
        print_json(schema())
