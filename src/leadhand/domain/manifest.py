"""Manifest: what the operator asks for, with every default filled in and every path absolute."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from leadhand.domain.contract import NOTHING, Contract
from leadhand.domain.money import NANO, Price
from leadhand.domain.outcomes import Role

LEAD_TOOLS = ("Read", "Glob", "Grep", "Git", "Write")
WORKER_TOOLS = ("Read", "Write", "Edit", "Bash", "Git", "Glob", "Grep")

# Every work tool; what goes out to the web is given, never a default.
KNOWN_TOOLS = (*WORKER_TOOLS, "WebFetch")

# Every tool that comes with a role, and what else one of them answers to.
ROLE_TOOLS = frozenset(
    "spawn_worker spawn_sublead wait_actor wait_for_any list_workers worker_status cancel_worker "
    "pause_worker continue_worker reprompt_worker send house_rules report finish request_approval "
    "propose_plan kv_get kv_set kv_cas kv_list kv_wait lease_acquire lease_release "
    "run_lease_acquire run_lease_release".split()
)
TOOL_ALIASES = {"wait_for_worker": "wait_actor"}

# Tasks at a time in a run without a lead.
TASKS_PARALLEL = 4

# The model of a lead that is an MCP client outside: nobody whom we pay.
OUTSIDE = "script:outside"

# What runs an actor's session: this process, or a coding agent in a process of its own.
HarnessName = Literal["api", "claude-code", "codex"]
# How hard a model is to think.
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
# What a policy does with a question, and what answers one that waited too long.
PolicyAction = Literal["auto_approve", "auto_reject", "block"]
ApprovalFallback = Literal["auto_reject", "auto_approve"]
ApprovalCategory = Literal["tool_use", "plan", "cost"]
APPROVAL_TTL_SECS = 600
# How long one call of a tool of an MCP server may take.
MCP_TIMEOUT_SECS = 60
# Where the operator is told, what of, and how bad that is, the least first.
SinkKind = Literal["log", "webhook", "slack", "discord"]
NoticeEvent = Literal[
    "approval_request",
    "approval_pending",
    "run_dispatched",
    "run_finished",
    "budget_exceeded",
    "worker_failed",
]
Severity = Literal["info", "warning", "error"]
# What a server of models speaks: Messages, Responses, Chat Completions. Each is also the name of a
# provider that needs no table.
Dialect = Literal["anthropic", "openai", "openai-chat"]
# What opens one: a key of ours, or the login of the coding agent that asks it.
Auth = Literal["key", "login"]


class HouseRules(Struct, frozen=True):
    """The guardrails of a run, whatever a model wants.

    on_quota: what a provider's terminal quota does: the run waits for its reset, or the actor
    that met it fails. max_parallel_tasks: of a run without a lead; None is TASKS_PARALLEL.
    halt_on_failure: whether a task that failed keeps others from starting.
    worktree_cleanup: whose worktrees are removed once they have settled; only those of which
    nothing would be lost. dump_shared_store: the run ends by writing its store to a file.
    status_dir: where workers leave their status files; empty where only those do that have no tool
    for it, in the run's folder. max_output_tokens: the most that one answer of a coding
    agent may be. max_agent_processes: of coding agents at a time; None for as many as there is
    memory for. min_free_memory_mb: what is to stay free when one starts.
    """

    max_workers: int = 4
    budget_nanousd: int = 5 * NANO
    lead_timeout_secs: int = 3600
    max_total_spawns: int = 1000
    grace_secs: int = 30
    on_quota: Literal["park", "fail"] = "park"
    max_parallel_tasks: int | None = None
    halt_on_failure: bool = False
    worktree_cleanup: Literal["on_success", "always", "never"] = "on_success"
    dump_shared_store: bool = False
    status_dir: str = ""
    max_output_tokens: int = 16_384
    max_agent_processes: int | None = None
    min_free_memory_mb: int = 512


class ApprovalPolicy(Struct, frozen=True, omit_defaults=True):
    """A rule that answers a question before the operator does.

    It fits where all that it names fits; what is empty fits everything. actor, tool, path,
    command, host: globs, of the actor's path, the tool's name, each path that its arguments name,
    the command of Bash, the host of WebFetch. cost_over_nanousd: fits what costs more. ttl_secs:
    how long a blocked question waits; fallback: what answers it then.
    """

    action: PolicyAction
    actor: str = ""
    role: Role | None = None
    category: ApprovalCategory | None = None
    tool: str = ""
    path: str = ""
    command: str = ""
    host: str = ""
    cost_over_nanousd: int | None = None
    reason: str = ""
    ttl_secs: int = APPROVAL_TTL_SECS
    fallback: ApprovalFallback = "auto_reject"


class Approvals(Struct, frozen=True, omit_defaults=True):
    """What is asked of the operator, and what answers for the operator.

    policies: the first that fits wins. default: what becomes of a question that none fits; a tool
    call that none fits is not asked about. plan_required: nobody is spawned before a plan is
    approved.
    """

    policies: tuple[ApprovalPolicy, ...] = ()
    default: PolicyAction = "block"
    plan_required: bool = False


class Notification(Struct, frozen=True, omit_defaults=True):
    """A sink: where the operator is told of what happens.

    url: as it is written: what its `${LEADHAND_...}` stand for is in no log. path: the file of a
    log; empty for one in the run's folder. events: empty for all.
    """

    kind: SinkKind
    url: str = ""
    path: str = ""
    events: tuple[NoticeEvent, ...] = ()
    severity_min: Severity = "info"


class McpServer(Struct, frozen=True, omit_defaults=True):
    """A server of tools that is not ours, offered to actors.

    command and args: a program that speaks on standard input and output, run in this directory;
    or url: where it listens. env, headers, url: as they are written: what their `${LEADHAND_...}`
    stand for is in no log. tools, reads: globs of the server's own names of its tools: those that
    are offered, and those of them that change nothing. timeout_secs: of one call. agents: names of
    agents, or roles; empty for all.
    """

    name: str
    command: str = ""
    args: tuple[str, ...] = ()
    directory: str = ""
    env: dict[str, str] = {}
    url: str = ""
    headers: dict[str, str] = {}
    tools: tuple[str, ...] = ("*",)
    reads: tuple[str, ...] = ()
    timeout_secs: int = MCP_TIMEOUT_SECS
    agents: tuple[str, ...] = ()

    def serves(self, role: str, agent: str) -> bool:
        """Whether its tools are offered to an actor."""
        return not self.agents or role in self.agents or agent in self.agents


class Lifecycle(Struct, frozen=True, omit_defaults=True):
    """What a run has to do with the process that began it. survive_parent: one in the background
    goes on when that is gone. notify: it is told where its environment says how."""

    survive_parent: bool = True
    notify: bool = True


class Settings(Struct, frozen=True, omit_defaults=True):
    """How an actor works; None leaves it to the next wider settings.

    harness: what runs its session; None is `api`. tools: the work tools it may use. max_tokens:
    the most one answer may be. allow_hosts: hosts that it may fetch from though they are not
    public, as `hosts.permit` reads them. models: beside its own, those that the coding agent which
    runs it may ask for. user_settings: whether that reads its user's own settings. max_rss_mb: what
    its process may take of memory. compact_above_tokens: a conversation longer than this is
    summarized. use_worktree: it works in a git worktree of its own, made from the directory, on
    this branch or one named after it.
    """

    model: str | None = None
    harness: HarnessName | None = None
    effort: Effort | None = None
    system: str | None = None
    tools: tuple[str, ...] | None = None
    directory: str | None = None
    add_dirs: tuple[str, ...] | None = None
    env: dict[str, str] | None = None
    allow_hosts: tuple[str, ...] | None = None
    timeout_secs: int | None = None
    max_turns: int | None = None
    max_tokens: int | None = None
    compact_above_tokens: int | None = None
    budget_nanousd: int | None = None
    use_worktree: bool | None = None
    branch: str | None = None
    models: tuple[str, ...] | None = None
    max_rss_mb: int | None = None
    user_settings: bool | None = None

    def named(self, aliases: Mapping[str, str]) -> "Settings":
        """The settings with models by their own names."""
        model = None if self.model is None else aliases.get(self.model, self.model)
        models = self.models and tuple(aliases.get(each, each) for each in self.models)
        if (model, models) == (self.model, self.models):
            return self
        return replace(self, model=model, models=models)


class Agent(Struct, frozen=True, omit_defaults=True):
    """A reusable definition that actors are made from."""

    description: str = ""
    settings: Settings = Settings()


class Lead(Struct, frozen=True):
    """The session that decides: its name, its prompt and how it works."""

    id: str
    prompt: str
    settings: Settings = Settings()


class Subleads(Struct, frozen=True, omit_defaults=True):
    """Within what leads may spawn leads of their own.

    max_subleads: at a time, of the whole run; None: as many as max_total_spawns.
    max_sublead_budget_nanousd: of each one's envelope. max_total_workers: at a time, of the whole
    run. max_depth: levels below the root; on the last there are only workers. The others are for
    what a spawn leaves out; in settings, timeout_secs is lead_timeout_secs.
    """

    max_subleads: int | None = None
    max_sublead_budget_nanousd: int | None = None
    max_total_workers: int | None = None
    max_depth: int = 2
    max_workers: int | None = None
    read_down: bool = False
    settings: Settings = Settings()


class Task(Struct, frozen=True, omit_defaults=True):
    """A unit of work of a run without a lead. depends_on: ids of tasks that must succeed first."""

    id: str
    prompt: str
    agent: str = ""
    depends_on: tuple[str, ...] = ()
    settings: Settings = Settings()
    contract: Contract = NOTHING


class Provider(Struct, frozen=True, omit_defaults=True):
    """A server of models that the operator names.

    base_url: empty for the vendor's own. key_env: the name of the environment variable that holds
    its key; empty for the vendor's usual one, or for none where the server is not a vendor's. auth:
    what opens it: the key, or the login that a coding agent brings along itself.
    """

    dialect: Dialect
    base_url: str = ""
    key_env: str = ""
    auth: Auth = "key"


def _written() -> dict[str, Any]:
    """An empty table that is written all the same."""
    return {}


class Manifest(Struct, frozen=True, omit_defaults=True):
    """What one run is to do, and within which house rules.

    prices: the operator's own, by model, before the built-in table. providers: servers of models,
    by the name that stands before the colon of a model's. tasks: what is done where there is no
    lead; `lead` then only gives the run its name. tools: work tools that the program which
    dispatched the run brings along. subleads: None where leads spawn only workers. aliases: of
    models.
    """

    # A golden log is written again as it was: what is not in every log is not written when empty.
    lead: Lead
    house: HouseRules = field(default_factory=HouseRules)
    defaults: Settings = field(default_factory=Settings)
    agents: dict[str, Agent] = field(default_factory=_written)
    prices: dict[str, Price] = field(default_factory=_written)
    providers: dict[str, Provider] = {}
    tasks: tuple[Task, ...] = ()
    tools: tuple[str, ...] = ()
    subleads: Subleads | None = None
    approvals: Approvals = Approvals()
    notifications: tuple[Notification, ...] = ()
    lifecycle: Lifecycle = Lifecycle()
    aliases: dict[str, str] = {}
    mcp_servers: tuple[McpServer, ...] = ()

    def mapped(
        self, settings: Callable[[Settings], Settings], model: Callable[[str], str]
    ) -> "Manifest":
        """The manifest with all settings that the operator gives, and the models that are priced,
        as these functions have them."""
        return replace(
            self,
            lead=replace(self.lead, settings=settings(self.lead.settings)),
            defaults=settings(self.defaults),
            agents={
                name: replace(agent, settings=settings(agent.settings))
                for name, agent in self.agents.items()
            },
            tasks=tuple(replace(task, settings=settings(task.settings)) for task in self.tasks),
            prices={model(name): price for name, price in self.prices.items()},
            aliases={alias: model(name) for alias, name in self.aliases.items()},
            subleads=self.subleads
            and replace(self.subleads, settings=settings(self.subleads.settings)),
        )

    def every_settings(self) -> Iterator[Settings]:
        """All settings that the operator gives."""
        yield from (self.lead.settings, self.defaults)
        yield from (agent.settings for agent in self.agents.values())
        yield from (task.settings for task in self.tasks)
        if self.subleads is not None:
            yield self.subleads.settings


BASE = Settings(
    tools=WORKER_TOOLS,
    add_dirs=(),
    env={},
    allow_hosts=(),
    timeout_secs=1800,
    max_turns=50,
    max_tokens=8192,
)


def layered(*layers: Settings) -> Settings:
    """The settings in which, for each field, the first layer that sets it wins.

    env is merged, the first layer winning for each name.
    """
    chosen: dict[str, Any] = {}
    for name in Settings.__struct_fields__:
        values = [value for layer in layers if (value := getattr(layer, name)) is not None]
        if name == "env":
            chosen[name] = {key: text for env in reversed(values) for key, text in env.items()}
        elif values:
            chosen[name] = values[0]
    return Settings(**chosen)
