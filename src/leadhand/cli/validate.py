"""Validate: all that is wrong with a manifest at once, and at worst what its run would come to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from leadhand.cli.checked import Checked, changes, check, manifest_options
from leadhand.cli.ending import AT_FAULT, SUCCEEDED
from leadhand.cli.options import json_option
from leadhand.cli.outlook import as_json as forecast_json
from leadhand.cli.outlook import page
from leadhand.cli.paper import print_json, say
from leadhand.errors import Fault, ManifestError
from leadhand.views.words import counted, plain


@click.command("validate")
@click.argument("manifest", type=click.Path(path_type=Path))
@manifest_options
@json_option
def command(manifest: Path, as_json: bool, **options: Any) -> int:
    """Check a manifest before anything is spent.

    Says all its faults at once, each with file, line, key and mend; then who would run, what it
    may cost and how long it may take, at worst. Scripted models are loaded, no model is asked.
    Exit codes: 0 without faults, 2 with.
    """
    return validated(manifest, options, as_json=as_json)


def validated(manifest: Path, options: Mapping[str, Any], *, as_json: bool) -> int:
    """Check a manifest with the options of `manifest_options`; the exit code for it."""
    try:
        checked = check(manifest, changes(**options))
    except ManifestError as error:
        return told(manifest, None, error.faults, as_json)
    return told(manifest, checked, checked.faults, as_json)


def told(manifest: Path, checked: Checked | None, faults: list[Fault], as_json: bool) -> int:
    """Print what was found; the exit code for it."""
    warnings, notes = (checked.warnings, checked.notes) if checked else ([], [])
    seen = checked.forecast if checked else None
    if as_json:
        print_json(
            {
                "manifest": str(manifest.absolute()),
                "valid": not faults,
                "faults": [fault_json(each) for each in faults],
                "warnings": [fault_json(each) for each in warnings],
                "notes": [fault_json(each) for each in notes],
                "run": forecast_json(seen) if seen else None,
            }
        )
        return AT_FAULT if faults else SUCCEEDED
    for fault in faults:
        say(plain(str(fault)))
    for kind, every in (("warning", warnings), ("note", notes)):
        for each in every:
            say(f"{kind}: {plain(str(each))}")
    if seen is None:
        # Where one fault stands for many, as the last of a hundred does, it says so itself.
        say(f"{plain(str(manifest))}: {counted(len(faults), 'fault')}. Nothing was started.")
        return AT_FAULT
    if warnings or notes:
        say()
    for text in page(seen):
        say(text)
    return SUCCEEDED


def fault_json(fault: Fault) -> dict[str, Any]:
    """A fault as programs read it; null for what it does not say."""
    return {
        "file": fault.file,
        "line": fault.line or None,
        "key": fault.key or None,
        "message": fault.message,
        "mend": fault.mend or None,
    }
