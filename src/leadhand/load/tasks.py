"""Tasks: the units of work of a manifest without a lead, and what each needs."""

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from leadhand.domain.manifest import Agent, HouseRules, Settings, Task
from leadhand.load import contract
from leadhand.load.section import NAME, NAME_RULE, Section, shown

KEYS = ("id", "prompt", "agent", "depends_on", *contract.KEYS)
TASKS_MAX = 10_000
# Reads the settings of a task's section.
Reading = Callable[[Section], Settings]


def read(
    top: Section,
    known: tuple[str, ...],
    homes: dict[str, str],
    house: HouseRules,
    agents: dict[str, Agent],
    settings: Reading,
) -> tuple[Task, ...]:
    """The tasks under [[task]]. known: the keys that a task may have."""
    sections = top.tables_of("task", TASKS_MAX)
    found: dict[str, Task] = {}
    places: dict[str, Section] = {}
    for section in sections:
        section.only(known, homes)
        task = _task(section, agents)
        if task.id in found:
            line = places[task.id].line("id")
            message = f"{shown(task.id)} is given twice, first on line {line}"
            section.fault("id", message=message)
            continue
        found[task.id] = replace(task, settings=settings(section), contract=contract.read(section))
        places[task.id] = section
    for section in places.values():
        _check_needs(section, found)
    for circle in circles(found):
        first = places[circle[0]]
        told = " -> ".join([*circle, circle[0]])
        mend = "Take one of these needs away"
        first.fault("depends_on", message=f"needs go in a circle: {told}", mend=mend)
    if len(found) > house.max_total_spawns:
        top.fault(
            "task",
            message=f"{len(found)} tasks are more than max_total_spawns = {house.max_total_spawns}",
            mend=f"Set run.max_total_spawns = {len(found)}",
        )
    return tuple(found.values())


def _task(section: Section, agents: dict[str, Agent]) -> Task:
    name, prompt = section.text("id"), section.text("prompt")
    if "id" not in section:
        section.fault("id", message="is required")
    elif name is not None and not NAME.fullmatch(name):
        section.fault("id", message=f"{NAME_RULE}, found {shown(name)}")
    if "prompt" not in section:
        section.fault("prompt", message="is required", mend="Say what is to be done")
    agent = section.text("agent") or ""
    if agent and agent not in agents:
        known = ", ".join(sorted(agents)) or "none"
        section.fault(
            "agent",
            message=f"unknown agent {shown(agent)}",
            mend=section.near(agent, agents) or f"Known: {known}",
        )
    needs = [text for _, text in section.texts("depends_on", TASKS_MAX) or ()]
    section.form("id", type="string", pattern=f"^{NAME.pattern}$")
    return Task(name or "", prompt or "", agent, tuple(dict.fromkeys(needs)))


def _check_needs(section: Section, known: dict[str, Task]) -> None:
    given = section.values.get("depends_on")
    for index, need in enumerate(given if isinstance(given, list) else ()):
        if isinstance(need, str) and need not in known:
            section.fault(
                "depends_on",
                index,
                message=f"there is no task {shown(need)}",
                mend=section.near(need, known),
            )


def circles(tasks: dict[str, Task]) -> Iterator[list[str]]:
    """The circles of needs, each once: the ids in the order of need."""
    done: set[str] = set()
    for start in tasks:
        path: dict[str, Iterator[str]] = {}
        at: str | None = start if start not in done else None
        while at is not None:
            if at not in path:
                path[at] = iter([need for need in tasks[at].depends_on if need in tasks])
            need = next(path[at], None)
            if need is None:
                done.add(at)
                del path[at]
                at = next(reversed(path), None)
            elif need in path:
                names = list(path)
                yield names[names.index(need) :]
            elif need not in done:
                at = need
