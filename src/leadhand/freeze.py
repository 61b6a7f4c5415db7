"""Freeze: what a manifest becomes before its run keeps it, and what must be there for it."""

import importlib.util
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from msgspec.structs import replace

from leadhand.contracts.returns import schema_fault
from leadhand.domain.manifest import (
    OUTSIDE,
    HarnessName,
    Manifest,
    Notification,
    Settings,
    layered,
)
from leadhand.domain.prices import listed, price_of
from leadhand.domain.state import Run
from leadhand.domain.text import one_line
from leadhand.domain.variables import named, ours
from leadhand.errors import Fault, ManifestError, UsageError
from leadhand.model import Model, Relayed
from leadhand.models import scripted
from leadhand.sinks import PARENT, PARENT_URL, destination
from leadhand.workspace import Workspaces

AT_A_TIME = "ANTHROPIC_MAX_CONCURRENT"
PARALLEL_MAX = 1_000
PLACES_SHOWN = 8
NO_MCP = "MCP servers take the library of the protocol: pip install 'leadhand[mcp]'"
NOTIFY_SECRET_MIN = 20
# Which dialect each agent speaks to its models.
SPEAKS: dict[HarnessName, str] = {"claude-code": "anthropic", "codex": "openai"}

# Gives the model of a name; raises UnknownModel.
Models = Callable[[str], Model]


def with_absolute_scripts(manifest: Manifest, base: Path) -> Manifest:
    """The manifest with the files of its scripted models made absolute."""

    def fixed(settings: Settings) -> Settings:
        if settings.model is None:
            return settings
        return replace(settings, model=scripted.absolute(settings.model, base))

    return manifest.mapped(fixed, lambda model: scripted.absolute(model, base))


def with_environment(manifest: Manifest, environ: Mapping[str, str]) -> Manifest:
    """The manifest with what the environment says where it says nothing itself: how many tasks
    run at a time, and how the program is told that began the run. Raises UsageError."""
    return with_parent(with_parallel(manifest, environ), environ)


def with_parallel(manifest: Manifest, environ: Mapping[str, str]) -> Manifest:
    """The manifest with how many tasks run at a time. Raises UsageError."""
    given = environ.get(AT_A_TIME, "").strip()
    house = manifest.house
    if not manifest.tasks or house.max_parallel_tasks is not None or not given:
        return manifest
    if not given.isascii() or not given.isdigit() or not 1 <= int(given) <= PARALLEL_MAX:
        raise UsageError(
            f"{AT_A_TIME} must be a whole number from 1 to {PARALLEL_MAX}, found "
            f"{one_line(given, 40)!r}"
        )
    house = replace(house, max_parallel_tasks=int(given))
    return replace(manifest, house=house)


def with_parent(manifest: Manifest, environ: Mapping[str, str]) -> Manifest:
    """The manifest with a sink for the program that began the run, where the environment has one.
    Raises UsageError where that cannot be told."""
    if not manifest.lifecycle.notify or not environ.get(PARENT):
        return manifest
    sink = Notification("webhook", PARENT_URL, events=("run_dispatched", "run_finished"))
    try:
        destination(sink, environ)
    except ValueError as error:
        raise UsageError(f"{PARENT} cannot be told: {error}") from None
    return replace(manifest, notifications=(*manifest.notifications, sink))


def notify_secrets(manifest: Manifest, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that the URLs of sinks stand for, by name: each value, and its path alone.
    What is short may be any word."""
    found: dict[str, str] = {}
    for sink in manifest.notifications:
        for name in filter(ours, named(sink.url)):
            value = environ.get(name, "")
            path = value.partition("://")[2].partition("/")[2]
            both = {name: value, f"{name} path": path}
            found |= {key: text for key, text in both.items() if len(text) >= NOTIFY_SECRET_MIN}
    return found


def check_library(manifest: Manifest) -> None:
    """Raise UsageError where there are MCP servers and nothing that speaks to them."""
    if manifest.mcp_servers and importlib.util.find_spec("mcp") is None:
        raise UsageError(NO_MCP)


def priced(manifest: Manifest, models: Models) -> Manifest:
    """The manifest with the prices that servers themselves give, of models that have no other;
    they hold for the whole run. Raises what `models` raises for one of the manifest's models."""
    found = {}
    for name in models_of(manifest):
        model = models(name)
        if not name.startswith(scripted.PREFIX) and listed(manifest, name) is None:
            price = model.price(name)
            if price is not None:
                found[name] = price
    return replace(manifest, prices=manifest.prices | found)


def models_of(manifest: Manifest) -> list[str]:
    """The models that a manifest names."""
    found: dict[str, None] = {}
    for settings in manifest.every_settings():
        found |= dict.fromkeys(each for each in (settings.model, *(settings.models or ())) if each)
    return [*(found | dict.fromkeys(manifest.aliases.values()))]


def led_outside(manifest: Manifest) -> Manifest:
    """The manifest with a lead that is an MCP client: its model is nobody's, and workers keep the
    one that the manifest has. Raises UsageError where there is no lead."""
    if manifest.tasks:
        raise UsageError("a run of tasks has no lead: dispatch it, or give the manifest a [lead]")
    lead, defaults = manifest.lead.settings, manifest.defaults
    own = replace(lead, model=OUTSIDE)
    if (lead.use_worktree, defaults.use_worktree) == (None, None):
        # Its client works where it is, not where we put it.
        own = replace(own, use_worktree=False)
    return replace(
        manifest,
        lead=replace(manifest.lead, settings=own),
        defaults=replace(defaults, model=defaults.model or lead.model),
    )


def check_schemas(manifest: Manifest) -> None:
    """Raise ManifestError where a task is to return a value by what is no JSON Schema."""
    faults = [
        Fault(why, key=f"task[{at}].returns")
        for at, task in enumerate(manifest.tasks)
        if task.contract.returns and (why := schema_fault(task.contract.returns))
    ]
    if faults:
        raise ManifestError(faults)


def lacking(harness: HarnessName, path: str | None = None) -> str:
    """What a harness takes that this machine has not; empty where nothing is missing. path: where
    programs are looked for; None for as this process does."""
    if harness == "claude-code" and importlib.util.find_spec("claude_agent_sdk") is None:
        return "harness claude-code takes its SDK: pip install 'leadhand[claude]'"
    if harness == "codex" and shutil.which("codex", path=path) is None:
        return "harness codex takes its program on PATH: npm install -g @openai/codex"
    return ""


def unfit(harness: HarnessName, name: str, models: Models, path: str | None = None) -> str:
    """Why a harness cannot run sessions with a model; empty where it can. Raises UnknownModel."""
    if harness == "api":
        return ""
    if why := lacking(harness, path):
        return why
    model = models(name)
    if isinstance(model, Relayed) and model.dialect == SPEAKS[harness]:
        return ""
    return f"harness {harness} speaks {SPEAKS[harness]}, which the server of {name} does not"


def harnessed(manifest: Manifest) -> Iterator[tuple[tuple[str, ...], HarnessName, str]]:
    """Which sessions that a manifest foresees are run by what, with which model, and where that is
    said: below `lead`, `defaults`, `agents` NAME, `task` ID or `sublead_defaults`."""
    lead, wide = manifest.lead.settings, manifest.defaults
    every: list[tuple[tuple[str, ...], tuple[Settings, ...]]] = [(("defaults",), (wide,))]
    if not manifest.tasks:
        every.append((("lead",), (lead, wide)))
    for name, agent in manifest.agents.items():
        every.append((("agents", name), (agent.settings, wide)))
    for task in manifest.tasks:
        own = manifest.agents[task.agent].settings if task.agent else Settings()
        every.append((("task", task.id), (task.settings, own, wide)))
    if manifest.subleads is not None:
        every.append((("sublead_defaults",), (manifest.subleads.settings, lead, wide)))
    for path, layers in every:
        found = layered(*layers)
        model = found.model or lead.model
        if found.harness is not None and model:
            yield path, found.harness, model


def harness_faults(
    manifest: Manifest, models: Models, path: str | None = None
) -> list[tuple[tuple[str, ...], str]]:
    """Which sessions that a manifest foresees cannot be run as it says, and why. Raises
    UnknownModel, UsageError."""
    found = [
        (place, unfit(harness, model, models, path))
        for place, harness, model in harnessed(manifest)
    ]
    return [(place, why) for place, why in found if why]


def check_harnesses(manifest: Manifest, models: Models, path: str | None = None) -> None:
    """Refuse a manifest with such sessions. Raises ManifestError, UnknownModel, UsageError."""
    faults = harness_faults(manifest, models, path)
    keys = [(".".join((*place, "harness")), why) for place, why in faults]
    if keys:
        raise ManifestError([Fault(why, key=key) for key, why in keys])


def usable(name: str, base: Path, manifest: Manifest, models: Models) -> None:
    """Raise UnknownModel or UsageError unless a model can be used: it is made, and has a price.

    base: where the files of scripts are looked for.
    """
    try:
        full = scripted.absolute(name, base)
        price = models(full).price(full)
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(f"{name}: its file cannot be looked up: {error}") from error
    if price is None and not name.startswith(scripted.PREFIX):
        price_of(manifest, name)


async def placed(manifest: Manifest, workspaces: Workspaces) -> Manifest:
    """The manifest with what was left open about the lead's worktree decided by its directory."""
    settings = manifest.lead.settings
    if manifest.tasks or (settings.use_worktree, manifest.defaults.use_worktree) != (None, None):
        return manifest
    fits = await workspaces.fits(Path(settings.directory or "."))
    lead = replace(manifest.lead, settings=replace(settings, use_worktree=fits))
    return replace(manifest, lead=lead)


def check_places(run: Run) -> None:
    """Refuse a run whose directories are not on this machine. Raises UsageError."""
    assert run.manifest is not None
    named = [each.directory for each in run.manifest.every_settings()]
    named += [actor.directory for actor in run.actors.values() if actor.ending is None]
    missing = [each for each in dict.fromkeys(named) if each and not Path(each).is_dir()]
    if missing:
        more = f" and {len(missing) - PLACES_SHOWN} more" if len(missing) > PLACES_SHOWN else ""
        raise UsageError(
            f"run {run.id} works where there is no directory here: "
            f"{', '.join(missing[:PLACES_SHOWN])}{more}. Put back what is missing, or say where it "
            "is now: --map OLD=NEW"
        )
