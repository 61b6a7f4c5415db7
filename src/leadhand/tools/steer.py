"""Steer: the tools by which a lead pauses, continues, interrupts and tells its workers."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from leadhand.domain import commands as c
from leadhand.domain.ids import ActorId
from leadhand.domain.rules.actor import find
from leadhand.domain.rules.message import TEXT_MAX
from leadhand.domain.text import one_line
from leadhand.harness import Owner
from leadhand.refusals import ToolNotAllowed
from leadhand.tool import LEADS, Caller, Handler, Tool
from leadhand.tools.spawn import named
from leadhand.tools.workers import OneWorker, seen
from leadhand.views.remaining import remaining

Text = Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)]


class _Target(Struct, frozen=True, forbid_unknown_fields=True):
    worker_id: str = ""
    task_id: str = ""
    actor_id: str = ""


class PauseWorker(_Target, frozen=True, forbid_unknown_fields=True):
    """The arguments of pause_worker: one of the ids, how, and why."""

    mode: Annotated[
        Literal["cancel", "freeze"],
        Meta(
            description="cancel: its turn is stopped now and asked again on continue. freeze: it "
            "and its commands stand still where they are."
        ),
    ] = "cancel"
    reason: str = ""


class ContinueWorker(_Target, frozen=True, forbid_unknown_fields=True):
    """The arguments of continue_worker: one of the ids, and what it is told."""

    prompt: Annotated[
        str, Meta(max_length=TEXT_MAX, description="What it shall do now; it knows all before.")
    ] = ""


class RepromptWorker(_Target, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The arguments of reprompt_worker: one of the ids, and the prompt."""

    prompt: Text


class Send(_Target, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The arguments of send: one of the ids, and the message."""

    message: Text


def steer_tools(owner: Owner) -> list[Tool]:
    """The tools, for one run."""

    def target(caller: Caller, args: _Target) -> ActorId:
        name = named(args.worker_id, args.task_id, args.actor_id)
        found = find(owner.run, name, caller.actor_id)
        if found == caller.actor_id:
            raise ToolNotAllowed("a lead does not steer itself", "Name one of your workers.")
        return found

    async def done(caller: Caller, worker: ActorId, command: c.Command) -> OneWorker:
        await owner.submit(command)
        one = owner.run.actors.get(worker) or owner.run.records[worker]
        return OneWorker(seen(owner.run, one), remaining(owner.run, caller.actor_id, owner.now()))

    async def pause_worker(caller: Caller, args: PauseWorker) -> OneWorker:
        worker, reason = target(caller, args), one_line(args.reason, 500)
        command = c.PauseActor(worker, args.mode, reason, by=caller.actor_id)
        return await done(caller, worker, command)

    async def continue_worker(caller: Caller, args: ContinueWorker) -> OneWorker:
        worker = target(caller, args)
        command = c.ContinueActor(worker, args.prompt, by=caller.actor_id, call=caller.call_id)
        return await done(caller, worker, command)

    async def reprompt_worker(caller: Caller, args: RepromptWorker) -> OneWorker:
        worker = target(caller, args)
        command = c.RepromptActor(worker, args.prompt, by=caller.actor_id, call=caller.call_id)
        return await done(caller, worker, command)

    async def send(caller: Caller, args: Send) -> OneWorker:
        worker = target(caller, args)
        command = c.SendMessage(worker, args.message, by=caller.actor_id, call=caller.call_id)
        return await done(caller, worker, command)

    return [
        _tool(pause_worker, PauseWorker, "Let a worker take no step until you continue it."),
        _tool(
            continue_worker,
            ContinueWorker,
            "Let a paused worker go on; or a settled one, with its whole conversation, a new "
            "result to wait for, and money and a place as for a new worker.",
        ),
        _tool(
            reprompt_worker,
            RepromptWorker,
            "Interrupt a worker's turn now, with the tools it runs; it goes on with this prompt.",
        ),
        _tool(send, Send, "Tell a worker something; it reads it with its next turn."),
    ]


def _tool(handler: Handler, args: type[Struct], description: str) -> Tool:
    """A tool with the name of its handler."""
    return Tool(handler.__name__, description, args, LEADS, "keyed", "orchestration", handler)
