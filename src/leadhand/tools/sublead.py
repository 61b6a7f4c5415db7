"""Sublead: the tool by which a lead starts a lead of its own."""

import asyncio
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from leadhand.domain import commands as c
from leadhand.domain.ids import ActorId
from leadhand.domain.manifest import Manifest, Settings, layered
from leadhand.domain.money import as_usd
from leadhand.domain.text import one_line
from leadhand.errors import Bug
from leadhand.folder import Folder
from leadhand.harness import Owner
from leadhand.tool import LEADS, Caller, Tool
from leadhand.tools.spawn import KEY_MAX, LIST_MAX, amount, fitted, place_of, placed_in
from leadhand.tools.store import kept
from leadhand.views.remaining import Remaining, remaining
from leadhand.workspace import Workspaces

_encoder = msgspec.json.Encoder()


class SpawnSublead(Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of spawn_sublead."""

    prompt: Annotated[
        str,
        Meta(
            min_length=1,
            description="The phase it is to lead, whole: it sees nothing of your conversation. "
            "Absolute paths, and what its final message must contain.",
        ),
    ]
    budget_usd: (
        Annotated[
            float, Meta(gt=0, description="Its envelope, for itself and all below it, in dollars.")
        ]
        | None
    ) = None
    max_workers: (
        Annotated[int, Meta(ge=1, le=1_000, description="How many workers it has at a time.")]
        | None
    ) = None
    model: Annotated[str | None, Meta(description="Another model than yours.")] = None
    lead_timeout_secs: Annotated[int, Meta(ge=1, le=2_592_000)] | None = None
    read_down: (
        Annotated[
            bool, Meta(description="Whether you may look at its workers; else only at itself.")
        ]
        | None
    ) = None
    env: (
        Annotated[
            dict[str, str],
            Meta(max_length=LIST_MAX, description="Variables of its commands and its workers'."),
        ]
        | None
    ) = None
    initial_ref: (
        Annotated[
            dict[str, Any],
            Meta(description="Entries under /ref/ that it finds when it begins, by path."),
        ]
        | None
    ) = None
    tools: (
        Annotated[
            list[str],
            Meta(max_length=LIST_MAX, description="The work tools it may use itself, as [Read]."),
        ]
        | None
    ) = None
    directory: Annotated[
        str | None, Meta(description="Where it works; inside your own directories.")
    ] = None
    label: Annotated[str, Meta(description="A few words that say what it is for.")] = ""
    key: Annotated[
        str,
        Meta(
            max_length=KEY_MAX,
            description="The same key again gives the same sub-lead instead of another.",
        ),
    ] = ""


class SubleadSpawned(Struct, frozen=True, omit_defaults=True):
    """A sub-lead that exists, with what it was given. branch: of the worktree that it works in,
    where it has one."""

    sublead_id: ActorId
    session: str
    workspace: str
    output_file: str
    budget_usd: float
    max_workers: int
    lead_timeout_secs: int
    remaining: Remaining
    branch: str = ""
    already: bool = False


def sublead_tool(owner: Owner, folder: Folder, workspaces: Workspaces | None = None) -> Tool:
    """The tool, for one run. workspaces: what gives sub-leads places of their own, if anything."""
    order = asyncio.Lock()

    async def spawn_sublead(caller: Caller, args: SpawnSublead) -> SubleadSpawned:
        settings = settings_of(owner.run.manifest, caller, args)
        # In turn, so that sub-leads are numbered in the order of their calls.
        async with order:
            settings = await fitted(settings, workspaces)
        command = c.SpawnSublead(
            caller.actor_id,
            caller.call_id,
            args.prompt,
            key=args.key,
            label=args.label,
            max_workers=args.max_workers,
            read_down=args.read_down,
            settings=settings,
            references=await references(caller, args.initial_ref or {}),
        )
        events = await owner.submit(command)
        found = owner.run.live(caller.actor_id).keys.get(args.key or caller.call_id)
        if found is None:
            raise Bug("a spawn gave no sub-lead")
        return spawned(owner, caller, found, folder, workspaces, already=not events)

    return Tool(
        name="spawn_sublead",
        description="Start a lead below you, for a phase that needs a clean context, with money "
        "and workers of its own; get its sublead_id at once and wait for it with wait_actor. Its "
        "final message comes to you whole; its workers are its own business. What it does not "
        "spend of its envelope comes back to yours.",
        args=SpawnSublead,
        roles=LEADS,
        effect="keyed",
        category="orchestration",
        handler=spawn_sublead,
    )


async def references(caller: Caller, given: dict[str, Any]) -> tuple[c.Reference, ...]:
    """The entries of initial_ref, the long ones put as blobs. Raises StoreFull."""
    found = [
        c.Reference(path, *await kept(caller, one_line(path, 80), value))
        for path, value in given.items()
    ]
    return tuple(found)


def spawned(
    owner: Owner,
    caller: Caller,
    found: ActorId,
    folder: Folder,
    workspaces: Workspaces | None,
    *,
    already: bool,
) -> SubleadSpawned:
    """What its parent is told of a sub-lead, which may have settled when it is asked for again."""
    run = owner.run
    one, envelope = run.actors.get(found), run.envelopes.get(found)
    workspace, branch = place_of(run, found, one.directory if one else "", workspaces)
    return SubleadSpawned(
        sublead_id=found,
        session=f"{run.id}/{found}",
        workspace=workspace,
        output_file=str(folder.transcript(found)),
        budget_usd=as_usd(envelope.limit if envelope else 0),
        max_workers=one.max_workers if one else 0,
        lead_timeout_secs=one.timeout_ms // 1000 if one else 0,
        remaining=remaining(run, caller.actor_id, owner.now()),
        branch=branch,
        already=already,
    )


def settings_of(manifest: Manifest | None, caller: Caller, args: SpawnSublead) -> Settings:
    """What the call itself sets, with its directory resolved inside the caller's own.

    A directory that it leaves open is the operator's for sub-leads, else the caller's.
    """
    budget = amount("budget_usd", args.budget_usd)
    assert manifest is not None
    own = manifest.subleads.settings if manifest.subleads else Settings()
    directory, add_dirs = placed_in(caller, args.directory, None, own)
    return Settings(
        model=args.model,
        tools=None if args.tools is None else tuple(args.tools),
        directory=directory,
        add_dirs=add_dirs,
        env=args.env,
        timeout_secs=args.lead_timeout_secs,
        budget_nanousd=budget,
        use_worktree=layered(own, manifest.defaults).use_worktree,
    )
