"""Spawn: the tool by which a lead starts a worker."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from leadhand.contracts.returns import Judge
from leadhand.domain import commands as c
from leadhand.domain.contract import COMMAND_MAX_SECS, COMMAND_SECS, COMMANDS_MAX, Contract, faults
from leadhand.domain.ids import ActorId
from leadhand.domain.manifest import Manifest, Settings, layered
from leadhand.domain.money import from_usd
from leadhand.domain.state import Run
from leadhand.errors import Bug
from leadhand.folder import Folder
from leadhand.harness import Owner
from leadhand.refusals import InvalidArguments, OutsideWorkspace, UnknownActor
from leadhand.tool import LEADS, Caller, Tool
from leadhand.views.remaining import Remaining, remaining
from leadhand.workspace import Workspaces

LIST_MAX = 100
KEY_MAX = 200
PATH_MAX = 4_096


class SpawnWorker(Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of spawn_worker."""

    prompt: Annotated[
        str,
        Meta(
            min_length=1,
            description="Everything the worker needs to know; it sees nothing of your "
            "conversation. Absolute paths, and what its answer must contain.",
        ),
    ]
    agent: Annotated[str, Meta(description="An agent that the manifest defines.")] = ""
    model: Annotated[str | None, Meta(description="Another model than the default.")] = None
    tools: (
        Annotated[
            list[str],
            Meta(max_length=LIST_MAX, description="The work tools it may use, as [Read, Bash]."),
        ]
        | None
    ) = None
    directory: Annotated[
        str | None, Meta(description="Where it works; inside your own directories.")
    ] = None
    add_dirs: (
        Annotated[
            list[str],
            Meta(max_length=LIST_MAX, description="Further directories it may read and write."),
        ]
        | None
    ) = None
    timeout_secs: Annotated[int, Meta(ge=1, le=86_400)] | None = None
    budget_usd: (
        Annotated[float, Meta(gt=0, description="An envelope of its own, in dollars.")] | None
    ) = None
    max_turns: Annotated[int, Meta(ge=1, le=1_000)] | None = None
    label: Annotated[str, Meta(description="A few words that say what it is for.")] = ""
    key: Annotated[
        str,
        Meta(
            max_length=KEY_MAX,
            description="The same key again gives the same worker instead of another.",
        ),
    ] = ""
    returns: (
        Annotated[
            dict[str, Any],
            Meta(description="JSON Schema of a value that it must return with its report."),
        ]
        | None
    ) = None
    files: Annotated[
        list[str],
        Meta(
            max_length=LIST_MAX,
            description="Files that must be there and not empty at its end, relative to its "
            "directory. These and the next four are checked, and refute it where they fail.",
        ),
    ] = []
    changed: Annotated[
        list[str],
        Meta(max_length=LIST_MAX, description="Files that it must make or change."),
    ] = []
    commands: Annotated[
        list[str],
        Meta(
            max_length=COMMANDS_MAX,
            description="Commands that must exit 0 in its directory; they may be run twice.",
        ),
    ] = []
    command_timeout_secs: Annotated[int, Meta(ge=1, le=COMMAND_MAX_SECS)] = COMMAND_SECS
    forbid: Annotated[
        list[str],
        Meta(
            max_length=LIST_MAX,
            description="Texts that its answer, and the files it names or changes, must not hold.",
        ),
    ] = []
    writes: Annotated[
        list[str],
        Meta(
            max_length=LIST_MAX,
            description="Globs of all that it may write, as src/**; no other worker may claim "
            "the same meanwhile.",
        ),
    ] = []


class Spawned(Struct, frozen=True, omit_defaults=True):
    """A worker that exists. branch: of the worktree that it works in, where it has one."""

    worker_id: ActorId
    session: str
    workspace: str
    output_file: str
    remaining: Remaining
    branch: str = ""
    already: bool = False


def spawn_tool(
    owner: Owner,
    folder: Folder,
    workspaces: Workspaces | None = None,
    judge: Judge | None = None,
) -> Tool:
    """The tool, for one run. workspaces: what gives workers places of their own, if anything;
    judge: what knows whether a schema is one."""
    order = asyncio.Lock()

    async def spawn(caller: Caller, args: SpawnWorker) -> Spawned:
        settings = settings_of(owner.run.manifest, caller, args)
        contract = await contract_of(caller, args, judge)
        # In turn, so that workers are numbered in the order of their calls.
        async with order:
            settings = await fitted(settings, workspaces)
        command = c.SpawnActor(
            caller.actor_id,
            caller.call_id,
            args.prompt,
            key=args.key,
            agent=args.agent,
            label=args.label,
            settings=settings,
            contract=contract,
        )
        events = await owner.submit(command)
        worker = owner.run.live(caller.actor_id).keys.get(args.key or caller.call_id)
        if worker is None:
            raise Bug("a spawn gave no worker")
        workspace, branch = place_of(owner.run, worker, settings.directory or "", workspaces)
        return Spawned(
            worker_id=worker,
            session=f"{owner.run.id}/{worker}",
            workspace=workspace,
            output_file=str(folder.transcript(worker)),
            remaining=remaining(owner.run, caller.actor_id, owner.now()),
            branch=branch,
            already=not events,
        )

    own = owner.run.manifest.tools if owner.run.manifest else ()
    return Tool(
        name="spawn_worker",
        description="Start a worker in the background and get its worker_id at once. It runs "
        "concurrently with you; wait for it with wait_actor. Where the answer names a branch, it "
        "works in a git worktree on that branch: you can read in its workspace."
        + (f" Beside the usual work tools it may be given {', '.join(own)}." if own else ""),
        args=SpawnWorker,
        roles=LEADS,
        effect="keyed",
        category="orchestration",
        handler=spawn,
    )


async def fitted(settings: Settings, workspaces: Workspaces | None) -> Settings:
    """The settings with a worktree of the actor's own where nobody said whether, and it fits."""
    if settings.use_worktree is not None or workspaces is None:
        return settings
    fits = await workspaces.fits(Path(settings.directory or ""))
    return replace(settings, use_worktree=fits)


def place_of(
    run: Run, actor: ActorId, directory: str, workspaces: Workspaces | None
) -> tuple[str, str]:
    """Where an actor of this directory works, and the branch of its worktree if it has one."""
    own = run.workspaces.get(actor)
    if own is None:
        return directory, ""
    if workspaces is None:
        return directory, own.branch
    return str(workspaces.place(actor, Path(own.source))), own.branch


def amount(name: str, usd: float | None) -> int | None:
    """Dollars that an argument gives, in nanodollars. Raises InvalidArguments."""
    try:
        return None if usd is None else from_usd(usd)
    except ValueError as error:
        raise InvalidArguments(f"{name}: {error}") from error


def settings_of(manifest: Manifest | None, caller: Caller, args: SpawnWorker) -> Settings:
    """What the call itself sets, with directories resolved inside the caller's own.

    Directories that it leaves open are the operator's for the agent, else those of the caller.
    """
    budget = amount("budget_usd", args.budget_usd)
    assert manifest is not None
    agent = manifest.agents.get(args.agent)
    wide = layered(agent.settings if agent else Settings(), manifest.defaults)
    directory, add_dirs = placed_in(caller, args.directory, args.add_dirs, wide)
    return Settings(
        model=args.model,
        tools=None if args.tools is None else tuple(args.tools),
        directory=directory,
        add_dirs=add_dirs,
        timeout_secs=args.timeout_secs,
        max_turns=args.max_turns,
        budget_nanousd=budget,
        use_worktree=wide.use_worktree,
    )


def placed_in(
    caller: Caller, asked: str | None, added: list[str] | None, wide: Settings
) -> tuple[str, tuple[str, ...]]:
    """The directory and the further ones of an actor: as it is asked, inside the caller's own;
    else the operator's; else the caller's. Raises OutsideWorkspace, InvalidArguments."""
    directory = wide.directory or str(caller.root)
    if asked:
        directory = within(caller, asked)
    if not Path(directory).is_dir():
        raise InvalidArguments(f"directory: {directory} is not a directory")
    if added is not None:
        return directory, tuple(within(caller, each) for each in added)
    if wide.add_dirs is not None:
        return directory, wide.add_dirs
    return directory, tuple(str(root) for root in caller.roots if str(root) != directory)


async def contract_of(caller: Caller, args: SpawnWorker, judge: Judge | None) -> Contract:
    """What the call demands of the result. Raises InvalidArguments where that is no contract."""
    contract = Contract(
        returns="" if args.returns is None else msgspec.json.encode(args.returns).decode(),
        files=tuple(args.files),
        changed=tuple(args.changed),
        commands=tuple(args.commands),
        command_timeout_secs=args.command_timeout_secs,
        forbid=tuple(args.forbid),
        writes=tuple(args.writes),
    )
    for kind, at, why in faults(contract):
        raise InvalidArguments(f"{kind if at is None else f'{kind}[{at}]'}: {why}")
    if contract.returns and judge is not None:
        if why := await judge.schema_fault(caller.actor_id, contract.returns):
            raise InvalidArguments(f"returns: {why}")
    return contract


def within(caller: Caller, text: str) -> str:
    """The directory, resolved. Raises OutsideWorkspace where the caller may not write."""
    if "\0" in text:
        raise InvalidArguments("a path holds a NUL byte")
    if len(text) > PATH_MAX:
        raise InvalidArguments(f"a path is longer than {PATH_MAX} characters")
    found = (caller.root / text).resolve()
    if any(found.is_relative_to(root) for root in caller.roots):
        return str(found)
    raise OutsideWorkspace(
        f"{found} is outside your directories: {', '.join(map(str, caller.roots))}"
    )


def named(worker_id: str, task_id: str, actor_id: str) -> str:
    """The actor that an argument names under any of its three names."""
    name = worker_id or task_id or actor_id
    if not name:
        raise UnknownActor("no worker_id was given")
    return name
