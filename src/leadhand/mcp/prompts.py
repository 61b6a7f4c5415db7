"""Prompts: what an MCP client can tell its model of what it is in a run, and how to lead one."""

from typing import Any

import mcp_types as types
from mcp.shared.exceptions import MCPError

from leadhand.briefing import briefing
from leadhand.domain.ids import ActorId
from leadhand.mcp.desk import Desk
from leadhand.mcp.identity import Context, Identity
from leadhand.refusals import Refused
from leadhand.tool import LEADS

BRIEFING, WORKER = "briefing", "worker_prompt"
WORKER_TEXT = """\
Write the prompt of a worker for this task: {task}

The worker sees nothing but that prompt. So it stands alone: what to do, absolute paths, and \
exactly what its answer must contain. Say what it must not touch. What must hold at its end goes \
into `files`, `changed`, `commands` and `returns` of spawn_worker, where it is checked. Then call \
spawn_worker with it."""


def handlers(desk: Desk, identity: Identity) -> dict[str, Any]:
    """What the server does with requests for prompts."""

    async def listed(
        context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListPromptsResult:
        actor, _ = identity(context)
        own = types.Prompt(
            name=BRIEFING, description="What you are in this run, its house rules, and your task."
        )
        task = types.PromptArgument(name="task", description="What is to be done", required=True)
        worker = types.Prompt(
            name=WORKER, description="How to start a worker well.", arguments=[task]
        )
        return types.ListPromptsResult(prompts=[own, worker] if leads(desk, actor) else [own])

    async def got(context: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        actor, _ = identity(context)
        if params.name == BRIEFING:
            return prompt(await briefed(desk, actor))
        if params.name == WORKER and leads(desk, actor):
            task = (params.arguments or {}).get("task", "")
            if not task:
                raise MCPError(types.INVALID_PARAMS, "the argument task is missing")
            return prompt(WORKER_TEXT.format(task=task))
        raise MCPError(types.INVALID_PARAMS, f"there is no prompt {params.name[:80]} for you")

    return {"on_list_prompts": listed, "on_get_prompt": got}


def leads(desk: Desk, actor: ActorId) -> bool:
    """Whether an actor is a lead that lives."""
    one = desk.means.owner.run.actors.get(actor)
    return one is not None and one.role in LEADS


async def briefed(desk: Desk, actor: ActorId) -> str:
    """What an in-process session would be told, and its prompt."""
    try:
        guest = await desk.guest(actor)
    except Refused as refusal:
        raise MCPError(types.INVALID_REQUEST, refusal.message) from refusal
    run = desk.means.owner.run
    workspace = run.workspaces.get(actor)
    root = guest.caller.root if workspace else None
    told = briefing(guest.spawned, run.house, await desk.tools(actor), workspace, root)
    return f"{told}\n\n{guest.spawned.prompt}"


def prompt(text: str) -> types.GetPromptResult:
    """A prompt of one message."""
    said = types.TextContent(type="text", text=text)
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=said)])
