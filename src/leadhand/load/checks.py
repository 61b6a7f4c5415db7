"""Checks: whether what a manifest names can be had, and whether its figures go together."""

from collections.abc import Callable, Iterable, Iterator

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
    manifest = found.manifest
    every: list[tuple[KeyPath, str | None]] = [
        ((*found.lead, "model"), manifest.lead.settings.model)
    ]
    every.append((("defaults", "model"), manifest.defaults.model))
    if manifest.subleads is not None:
        every.append((("sublead_defaults", "model"), manifest.subleads.settings.model))
    for at, task in enumerate(manifest.tasks):
        every.append((("task", at, "model"), task.settings.model))
    for name, agent in manifest.agents.items():
        every.append((("agents", name, "model"), agent.settings.model))
    return ((path, model) for path, model in every if model)


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
