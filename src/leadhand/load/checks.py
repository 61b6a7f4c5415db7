"""Checks: whether what a manifest names can be had, and whether its figures go together."""

from collections.abc import Callable, Iterable, Iterator

from leadhand.domain.manifest import Settings
from leadhand.errors import LeadhandError
from leadhand.load import Found
from leadhand.load.lines import KeyPath
from leadhand.refusals import Refused

# Raises Refused or UsageError where a model of this name cannot be used.
Judge = Callable[[str], None]


def models(found: Found, judge: Judge) -> None:
    """Note each model that cannot be used, where the manifest names it first."""
    judged = set()
    for path, name in named(found):
        if name in judged:
            continue
        judged.add(name)
        try:
            judge(name)
        except LeadhandError as error:
            mend = error.next_step if isinstance(error, Refused) else ""
            found.report.fault_at(path, error.message, mend.removesuffix("."))


def named(found: Found) -> Iterator[tuple[KeyPath, str]]:
    """Where the manifest names which models: of its leads, defaults, tasks and agents."""
    for path, settings in places(found):
        yield from (((*path, "model"), each) for each in (settings.model,) if each)
        yield from (((*path, "models", at), each) for at, each in enumerate(settings.models or ()))
    yield from ((("models", name), model) for name, model in found.manifest.aliases.items())


def places(found: Found) -> Iterator[tuple[KeyPath, Settings]]:
    """Where the manifest has which settings."""
    manifest = found.manifest
    yield found.lead, manifest.lead.settings
    yield ("defaults",), manifest.defaults
    if manifest.subleads is not None:
        yield ("sublead_defaults",), manifest.subleads.settings
    for number, task in enumerate(manifest.tasks):
        yield ("task", number), task.settings
    for name, agent in manifest.agents.items():
        yield ("agents", name), agent.settings


def schemas(found: Found, fault_of: Callable[[str], str]) -> None:
    """Note each task whose `returns` is no JSON Schema. fault_of: why one is none."""
    for at, task in enumerate(found.manifest.tasks):
        if task.contract.returns and (why := fault_of(task.contract.returns)):
            found.report.fault_at(("task", at, "returns"), why)


def harnesses(found: Found, faults: Iterable[tuple[tuple[str, ...], str]]) -> None:
    """Note each section whose sessions cannot be run by the harness that they are to have."""
    ids = {task.id: at for at, task in enumerate(found.manifest.tasks)}
    for (section, *names), why in faults:
        place: KeyPath = (section, *names)
        if section == "lead":
            place = found.lead
        elif section == "task":
            place = (section, ids[names[0]])
        found.report.fault_at((*place, "harness"), why)


def caps(found: Found) -> None:
    """Note a cap that another one never lets be reached."""
    house, path = found.manifest.house, found.house("max_workers")
    if house.max_workers > house.max_total_spawns and found.report.given(path):
        found.report.warn_at(
            path,
            f"{house.max_workers} workers are never reached: max_total_spawns allows "
            f"{house.max_total_spawns} in all",
        )


def budget(found: Found, trouble: str, mend: str) -> None:
    """Note why the budget does not even pay the beginning."""
    found.report.fault_at(found.house("budget_usd"), trouble, mend)
