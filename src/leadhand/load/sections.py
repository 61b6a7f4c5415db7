"""Sections: the tables of a manifest, each read into what the domain makes of it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import convert
from msgspec.structs import replace

from leadhand.domain.manifest import Agent, HouseRules, Lead, Manifest, Settings, Task
from leadhand.domain.money import NANO, Price, show
from leadhand.load import contract, mcp_servers, notifications, policies, providers, subleads, tasks
from leadhand.load import settings as reading
from leadhand.load.lines import KeyPath
from leadhand.load.section import ENTRIES_MAX, NAME, NAME_RULE, Section, dotted, shown
from leadhand.load.settings import TIMEOUT_MAX_SECS, TURNS_MAX, WORKERS_MAX
from leadhand.load.variables import filled

# More at once is allowed, but strains rate limits and machines: a warning.
WORKERS_USUAL = 16
SPAWNS_MAX = 1_000_000
GRACE_MAX_SECS = 3600

_HOUSE = ("max_workers", "budget_usd", "lead_timeout_secs", "max_total_spawns")
_RUN = (
    *(*_HOUSE, "grace_secs", "on_quota", "max_parallel_tasks", "halt_on_failure"),
    *(
        "max_output_tokens",
        "max_agent_processes",
        "min_free_memory_mb",
        "timeout_secs",
        "max_turns",
        "worktree_cleanup",
        "dump_shared_store",
        "status_dir",
    ),
    *("default_approval_policy", "require_plan_approval"),
)
_DEFAULTS = (*reading.KEYS, "timeout_secs", "budget_usd", "use_worktree")
_LEAD = ("id", "prompt", *_HOUSE, *_DEFAULTS, "branch", *subleads.KEYS)
_AGENT = ("description", *_DEFAULTS)
_TASK = (*tasks.KEYS, *_DEFAULTS)
_PRICE = ("input", "output", "cache_read", "cache_creation")
_TOP = (
    *(
        "run",
        "models",
        "defaults",
        "lead",
        "sublead_defaults",
        "task",
        "agents",
        "prices",
        "providers",
    ),
    *("approval_policy", "notification", "lifecycle", "mcp_server"),
)
ON_QUOTA = ("park", "fail")
_WORKTREE_CLEANUP = ("on_success", "always", "never")

# Where a key belongs that stands where it is not known; the last to name a key decides.
_HOMES = (
    providers.HOMES
    | dict.fromkeys(_DEFAULTS, "[defaults], [lead] or [agents.NAME]")
    | dict.fromkeys(_PRICE, '[prices."MODEL"]')
    | dict.fromkeys(_RUN, "[run]")
    | dict.fromkeys(_HOUSE, "[run] or [lead]")
    | dict.fromkeys(("id", "prompt"), "[lead] or [[task]]")
    | dict.fromkeys(contract.KEYS, "[[task]]")
    | dict.fromkeys(("agent", "depends_on"), "[[task]]")
    | dict.fromkeys(("branch", *subleads.KEYS), "[lead]")
    | dict.fromkeys(("read_down",), "[sublead_defaults]")
    | dict.fromkeys(("description",), "[agents.NAME]")
    | dict.fromkeys(("events", "severity_min"), "[[notification]]")
    | dict.fromkeys(notifications.LIFECYCLE_KEYS, "[lifecycle]")
    | dict.fromkeys(mcp_servers.HOMELESS, "[[mcp_server]]")
)


def manifest(top: Section, base: Path) -> Manifest:
    """The manifest in a whole text; worth nothing where faults were noted.

    base: the directory that relative paths start from.
    """
    top.only(_TOP, _HOMES)
    run, defaults = top.table("run"), top.table("defaults")
    lead = _lead_section(top) if "task" not in top or "lead" in top else None
    house = _house(run, lead or Section(top.report, {}), base)
    _surprises(run, lead, house)
    general = _defaults(run, defaults, base, house)
    leading = _lead(top, lead, defaults, general.directory, base) if lead else Lead("tasks", "")
    agents = _agents(top.table("agents"), base, house)
    aliases = reading.aliases(top.table("models"))
    whole = Manifest(
        lead=leading,
        house=house,
        defaults=general,
        agents=agents,
        tasks=_tasks(top, house, agents, general, base),
        prices=_prices(top.table("prices")),
        providers=providers.read(top.table("providers")),
        tools=tuple(top.report.tools),
        subleads=subleads.read(top, lead, house, base, _HOMES),
        approvals=policies.read(top, run, _HOMES),
        notifications=notifications.read(top, base, _HOMES),
        lifecycle=notifications.lifecycle(top.table("lifecycle"), _HOMES),
        aliases=aliases,
        mcp_servers=mcp_servers.read(top, base, agents, _HOMES),
    )
    # What an alias is of may be another model tomorrow: the run keeps what it is today.
    return whole.mapped(lambda settings: settings.named(aliases), lambda model: model)


def _lead_section(top: Section) -> Section | None:
    """The one lead, written as [lead] or as [[lead]]; None where there is none."""
    leads = top.values.get("lead")
    if isinstance(leads, dict):
        return Section(top.report, leads, ("lead",), "lead")
    if leads is None or leads == []:
        top.fault("lead", message="there is no lead", mend="Add [lead] with a prompt and a model")
        return None
    if not isinstance(leads, list) or not all(isinstance(each, dict) for each in leads):
        top.fault("lead", message=f"expected a table, found {shown(leads)}")
        return None
    first = Section(top.report, leads[0], ("lead", 0), "lead")
    if len(leads) > 1:
        message = f"is the second lead, the first is {first.where()}"
        again = top.line("lead", 1)
        top.report.fault("lead", again, message, "Keep one: it spawns the workers")
    return first


def _house(run: Section, lead: Section, base: Path) -> HouseRules:
    run.only(_RUN, _HOMES)
    both = (run, lead)
    timeouts = [(at, "lead_timeout_secs") for at in both] + [(lead, "timeout_secs")]
    given: dict[str, Any] = {
        "max_workers": _agreed(
            (at, "max_workers", at.whole("max_workers", 1, WORKERS_MAX)) for at in both
        ),
        "budget_nanousd": _agreed((at, "budget_usd", at.usd("budget_usd")) for at in both),
        "lead_timeout_secs": _agreed(
            (at, key, at.whole(key, 1, TIMEOUT_MAX_SECS)) for at, key in timeouts
        ),
        "max_total_spawns": _agreed(
            (at, "max_total_spawns", at.whole("max_total_spawns", 1, SPAWNS_MAX)) for at in both
        ),
        "grace_secs": run.whole("grace_secs", 0, GRACE_MAX_SECS),
        "on_quota": run.choice("on_quota", ON_QUOTA),
        "max_parallel_tasks": run.whole("max_parallel_tasks", 1, WORKERS_MAX),
        "halt_on_failure": run.flag("halt_on_failure"),
        "worktree_cleanup": run.choice("worktree_cleanup", _WORKTREE_CLEANUP),
        "dump_shared_store": run.flag("dump_shared_store"),
        "status_dir": reading.place(run, "status_dir", base),
        "max_output_tokens": run.whole("max_output_tokens", 1, reading.TOKENS_MAX),
        "max_agent_processes": run.whole("max_agent_processes", 1, reading.WORKERS_MAX),
        "min_free_memory_mb": run.whole("min_free_memory_mb", 0, reading.MEMORY_MAX_MB),
    }
    if given["budget_nanousd"] is None and ("budget_usd" in run or "budget_usd" in lead):
        # It has a fault of its own; no worker's budget is then held against the default.
        given["budget_nanousd"] = NANO * NANO
    return HouseRules(**{name: value for name, value in given.items() if value is not None})


def _surprises(run: Section, lead: Section | None, rules: HouseRules) -> None:
    """Warn of house rules that nobody set, and of a cap that few machines bear."""
    at = lead if lead is not None and "max_workers" in lead else run
    if lead is None:
        pass
    elif "max_workers" not in at:
        run.report.warn(
            "run.max_workers", 0, f"is not set, so the default holds: {rules.max_workers}"
        )
    elif rules.max_workers > WORKERS_USUAL:
        at.warn(
            "max_workers",
            message=f"more than {WORKERS_USUAL} workers at once strain rate limits and the machine",
        )
    if "budget_usd" not in run and (lead is None or "budget_usd" not in lead):
        budget = f"{rules.budget_nanousd / NANO:.2f}"
        run.report.warn(
            "run.budget_usd", 0, f"is not set, so the default holds: {budget} US dollars"
        )


def _agreed(places: Iterable[tuple[Section, str, int | None]]) -> int | None:
    """A value that may stand in several places, but not with different values."""
    given = [(at, key, value) for at, key, value in places if value is not None]
    if not given:
        return None
    first, first_key, chosen = given[0]
    for at, key, value in given[1:]:
        if value != chosen:
            there = f"{first.key(first_key)} {first.where(first_key)}"
            at.fault(
                key,
                message=f"is {shown(at.values[key])} here, but {shown(first.values[first_key])} "
                f"in {there}",
                mend="Keep one of them",
            )
    return chosen


def _defaults(run: Section, defaults: Section, base: Path, house: HouseRules) -> Settings:
    """The settings of every actor; two of them may also stand under [run]."""
    defaults.only(_DEFAULTS, _HOMES)
    settings = reading.read(defaults, base, _DEFAULTS)
    turns = run.whole("max_turns", 1, TURNS_MAX)
    timeouts = ((at, at.whole("timeout_secs", 1, TIMEOUT_MAX_SECS)) for at in (run, defaults))
    return replace(
        settings,
        max_turns=_agreed([(run, "max_turns", turns), (defaults, "max_turns", settings.max_turns)]),
        timeout_secs=_agreed((at, "timeout_secs", value) for at, value in timeouts),
        budget_nanousd=_envelope(defaults, house),
        use_worktree=defaults.flag("use_worktree"),
    )


def _envelope(section: Section, house: HouseRules) -> int | None:
    """What each worker may spend, which is within the budget of the run."""
    amount = section.usd("budget_usd")
    if amount is not None and amount > house.budget_nanousd:
        section.fault(
            "budget_usd",
            message=f"a worker's {shown(section.values['budget_usd'])} US dollars are more than "
            f"the budget of the whole run, {show(house.budget_nanousd)}",
            mend="Lower it, or raise run.budget_usd",
        )
    return amount


def _lead(
    top: Section, lead: Section, defaults: Section, directory: str | None, base: Path
) -> Lead:
    """The lead. directory: where it works unless it says so itself; else in base."""
    lead.only(_LEAD, _HOMES)
    settings = replace(
        reading.read(lead, base, _LEAD),
        use_worktree=lead.flag("use_worktree"),
        branch=reading.branch(lead),
    )
    declined = settings.use_worktree is None and defaults.values.get("use_worktree") is False
    if settings.branch and (declined or settings.use_worktree is False):
        lead.warn("branch", message="has no effect, since use_worktree is false")
    if "model" not in lead and "model" not in defaults:
        lead.fault("model", message="is required, here or under [defaults]")
    if "directory" not in lead:
        if "directory" not in defaults:
            directory = reading.directory(lead, ".", base)
        settings = replace(settings, directory=directory)
    name = lead.text("id")
    if name is not None and not NAME.fullmatch(name):
        lead.fault("id", message=f"{NAME_RULE}, found {shown(name)}")
    return Lead(id=name or "lead", prompt=_prompt(top, lead), settings=settings)


def _prompt(top: Section, lead: Section) -> str:
    """The lead's prompt; a missing one is looked for where it may have slipped to."""
    if "prompt" in lead:
        text = filled(lead, "prompt", text=lead.text("prompt") or "")
        if not text.strip() and "${" in str(lead.values["prompt"]):
            lead.fault("prompt", message="is blank with its variables filled in")
        return text
    stray = _stray(top.values, ())
    env = (*lead.path, "env")
    if stray == (*env, "prompt") and env in top.report.lines.headers:
        return ""  # The settings have said so already.
    mend = 'Say what the lead is to do: prompt = """..."""'
    if stray:
        under = f"under [{dotted(stray[:-1])}]" if stray[:-1] else "above every header"
        mend = f"A prompt stands on line {top.line(*stray)} {under}: move it to [lead]"
    lead.fault("prompt", message="is required", mend=mend)
    return ""


def _stray(value: object, path: KeyPath) -> KeyPath | None:
    """The path of the first text called prompt, wherever it stands."""
    if isinstance(value, str):
        return path if path[-1:] == ("prompt",) else None
    inner: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    return next((found for step, each in inner if (found := _stray(each, (*path, step)))), None)


def _agents(agents: Section, base: Path, house: HouseRules) -> dict[str, Agent]:
    found = {}
    for name, agent in agents.tables(ENTRIES_MAX):
        if not NAME.fullmatch(name):
            agents.fault(name, message=f"the name {NAME_RULE}")
        agent.only(_AGENT, _HOMES)
        settings = replace(
            reading.read(agent, base, _AGENT),
            timeout_secs=agent.whole("timeout_secs", 1, TIMEOUT_MAX_SECS),
            budget_nanousd=_envelope(agent, house),
            use_worktree=agent.flag("use_worktree"),
        )
        found[name] = Agent(agent.text("description", blank=True) or "", settings)
    return found


def _tasks(
    top: Section, house: HouseRules, agents: dict[str, Agent], general: Settings, base: Path
) -> tuple[Task, ...]:
    """The tasks of a manifest without a lead."""
    if "task" in top and "lead" in top:
        mend = "Keep the lead, which spawns workers, or the tasks, which need none"
        top.fault("task", message="stands beside a lead", mend=mend)

    def settings(section: Section) -> Settings:
        found = replace(
            reading.read(section, base, _TASK),
            use_worktree=section.flag("use_worktree"),
            timeout_secs=section.whole("timeout_secs", 1, TIMEOUT_MAX_SECS),
            budget_nanousd=_envelope(section, house),
        )
        agent = agents.get(str(section.values.get("agent")), Agent()).settings
        contract.check_claim(section, found, agent, general)
        if not (found.model or agent.model or general.model):
            section.fault("model", message="is required, here, in its agent or under [defaults]")
        if found.directory or agent.directory or general.directory:
            return found
        return replace(found, directory=reading.directory(section, ".", base))

    return tasks.read(top, _TASK, _HOMES, house, agents, settings)


def _prices(prices: Section) -> dict[str, Price]:
    """Prices in US dollars per million tokens; what a cache costs unless told is input's price."""
    found = {}
    for model, price in prices.tables(ENTRIES_MAX):
        price.only(_PRICE, _HOMES)
        for key in ("input", "output"):
            if key not in price:
                price.fault(key, message="is required, in US dollars per million tokens")
        amounts = {key: price.usd(key, free=True) for key in _PRICE}
        reading = amounts["input"] or 0
        given = {key: reading if each is None else each for key, each in amounts.items()}
        found[model] = convert(given, Price)
    return found
