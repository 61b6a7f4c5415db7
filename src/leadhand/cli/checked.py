"""Checked: a manifest with all that is wrong with it, before anything is spent.

Law: `validate` and `dispatch` go this one road, so that what one calls good the other runs.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click
from msgspec import Struct
from msgspec.structs import replace

from leadhand import freeze, model_wiring
from leadhand.contracts.returns import schema_fault
from leadhand.domain.manifest import Manifest
from leadhand.domain.prices import listed
from leadhand.errors import Fault, ManifestError, UsageError
from leadhand.gateway.pace import PATIENCE_SECS
from leadhand.load import Found, checks, find, options, prompts, setting
from leadhand.load.options import Option
from leadhand.views.forecast import Forecast, forecast
from leadhand.views.words import plain

F = TypeVar("F", bound=Callable[..., object])


class Checked(Struct, frozen=True):
    """A manifest and what was found. manifest: with the prices that servers gave and the files of
    scripts made absolute; it and the forecast are None where there are faults. local: models that
    are free since nobody prices them."""

    found: Found
    faults: list[Fault]
    warnings: list[Fault]
    notes: list[Fault]
    models: freeze.Models
    manifest: Manifest | None = None
    local: tuple[str, ...] = ()
    forecast: Forecast | None = None


def manifest_options(command: F) -> F:
    """The options that set something in a manifest."""
    for option in (
        click.option(
            "--set",
            "assignments",
            multiple=True,
            metavar="KEY=VALUE",
            help="Set any key: --set run.budget_usd=1.50. The value is TOML.",
        ),
        click.option("--directory", metavar="DIR", help="Where the lead works."),
        click.option("--model", metavar="MODEL", help="Of the lead, and of workers by default."),
    ):
        command = option(command)
    return command


def changes(model: str | None, directory: str | None, assignments: Sequence[str]) -> list[Option]:
    """What the options set, the general ones first. Raises ManifestError with all faults."""
    set_: list[Option] = []
    faults: list[Fault] = []
    if model is not None:
        set_ += options.model(model)
    if directory is not None:
        set_ += options.directory(directory)
    for each in assignments:
        try:
            set_.append(setting(each))
        except ManifestError as error:
            faults += error.faults
    if faults:
        raise ManifestError(faults)
    return set_


def check(path: Path, set_: Sequence[Option]) -> Checked:
    """Check a manifest with its options. Raises ManifestError where it cannot be read at all."""
    found = find(path, set_)
    base, report = path.absolute().parent, found.report
    models = model_wiring.make_models(providers=found.manifest.providers)

    def judge(name: str) -> None:
        freeze.usable(name, base, found.manifest, models)

    checks.models(found, judge)
    checks.caps(found)
    if not found.report.faults:
        checks.schemas(found, schema_fault)
    try:
        freeze.check_library(found.manifest)
    except UsageError as error:
        report.fault_at(("mcp_server",), error.message)
    prompts.lint(found, judge)
    bare = Checked(found, report.faults, report.warnings, report.notes, models)
    if report.faults:
        return bare
    try:
        asked = freeze.with_absolute_scripts(found.manifest, base)
    except (OSError, RuntimeError, ValueError) as error:
        report.fault_at(("prices",), f"the file of a script cannot be looked up: {error}")
        return replace(bare, faults=report.faults)
    named = freeze.models_of(asked)
    local = tuple(each for each in named if listed(asked, each) is None)
    checks.harnesses(found, freeze.harness_faults(asked, models))
    if report.faults:
        return replace(bare, faults=report.faults)
    asked = freeze.priced(asked, models)
    seen = forecast(asked, named, local, round(PATIENCE_SECS))
    if seen.trouble:
        checks.budget(found, seen.trouble, seen.mend)
        return replace(bare, faults=report.faults)
    for each in seen.workers:
        if each.refused:
            kind = f"worker of agent {each.agent}" if each.agent else "worker"
            kind = f"worker of task {each.name}" if asked.tasks else kind
            report.warn_at(found.house("budget_usd"), f"not one {kind} fits: {each.refused}")
    if seen.divided is not None and seen.divided.levels and seen.divided.part.refused:
        why = seen.divided.part.refused
        report.warn_at(found.house("budget_usd"), f"not one sub-lead fits: {why}")
    bare = replace(bare, warnings=report.warnings)
    return replace(bare, manifest=asked, local=local, forecast=seen)


def good(path: Path, set_: Sequence[Option]) -> tuple[Checked, Manifest, Forecast]:
    """A manifest without faults; what may surprise in it is said on stderr. Raises ManifestError
    with all its faults."""
    checked = check(path, set_)
    if checked.manifest is None or checked.forecast is None:
        raise ManifestError(checked.faults)
    for kind, every in (("warning", checked.warnings), ("note", checked.notes)):
        for each in every:
            click.echo(f"{kind}: {plain(str(each))}", err=True)
    return checked, checked.manifest, checked.forecast
