"""Schema: what a manifest or a report may hold, for editors and for people."""

import click
import msgspec

from leadhand.cli.paper import print_json, say
from leadhand.contracts.report_form import ReportForm
from leadhand.load.schema import example, schema


@click.command("schema")
@click.argument("what", type=click.Choice(["manifest", "report"]), default="manifest")
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "example"]),
    default="json",
    help="JSON Schema, or a commented manifest with every key.",
)
def command(what: str, form: str) -> None:
    """What a manifest may hold, as JSON Schema or as an example; or a worker's report.

    An editor that knows TOML takes the schema: keep it in a file, and put `#:schema FILE` at the
    top of the manifest.
    """
    if what == "report":
        print_json(msgspec.json.schema(ReportForm))
    elif form == "example":
        say(example().rstrip("\n"))
    else:
        print_json(schema())
