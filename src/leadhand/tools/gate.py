"""Gate: what a tool call is about, and whether the operator's policies let it through."""

import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec

from leadhand.domain import commands as c
from leadhand.domain.money import from_usd
from leadhand.domain.questions import Question
from leadhand.domain.rules.pause import frozen
from leadhand.domain.rules.policy import judged
from leadhand.domain.state import Answer, Approval
from leadhand.domain.text import one_line
from leadhand.errors import Bug
from leadhand.harness import Owner
from leadhand.refusals import ApprovalRejected, ApprovalTimedOut
from leadhand.tool import Caller, Gate, Tool

# What an argument is called that names a path, or several.
PATHS = ("file_path", "path", "directory", "add_dirs")
# They ask the operator themselves.
ASKING = ("request_approval", "propose_plan")
DETAILS_MAX = 16_000
_encoder = msgspec.json.Encoder(order="deterministic")


def gate(owner: Owner) -> Gate:
    """What lets tool calls through, for one run."""

    async def passed(caller: Caller, tool: Tool, args: Any) -> None:
        run = owner.run
        actor = run.actors.get(caller.actor_id)
        if tool.name in ASKING or actor is None:
            return
        if caller.call_id not in actor.approvals:
            # What a call is about takes many looks at the disk, and nobody may want to know.
            if run.manifest is None or not run.manifest.approvals.policies:
                return
            question = about(caller, tool, args)
            policy = judged(run, actor, question)
            if policy is None or policy.action == "auto_approve":
                return
            if policy.action == "auto_reject":
                raise ApprovalRejected(rejected(policy.reason, "a policy of the operator"))
            told = one_line(f"{tool.name} {question.command or _encoder.encode(args).decode()}")
            details = _encoder.encode(args).decode()[:DETAILS_MAX]
            await owner.submit(
                c.AskApproval(caller.actor_id, caller.call_id, question, told, details)
            )
        answer = await answered(owner, caller)
        if not answer.approved:
            raise denial(answer)
        await thawed(owner, caller)
        await owner.submit(c.UseApproval(caller.actor_id, caller.call_id))
        await thawed(owner, caller)

    return passed


async def thawed(owner: Owner, caller: Caller) -> None:
    """Wait while the actor stands still: nothing of it begins then."""
    with owner.watching(caller.actor_id) as changed:
        while frozen(owner.run.live(caller.actor_id)):
            changed.clear()
            await changed.wait()


async def answered(owner: Owner, caller: Caller) -> Answer:
    """Wait for the answer to the question of a call, which comes by its deadline at the latest."""
    with owner.watching(caller.actor_id, "") as changed:
        while True:
            changed.clear()
            asked = question_of(owner, caller)
            if asked.answer is not None:
                return asked.answer
            if owner.run.live(caller.actor_id).paused is not None:
                # Its time stands still.
                await changed.wait()
            else:
                await owner.until(asked.until, changed)


def question_of(owner: Owner, caller: Caller) -> Approval:
    """The question that a call has asked."""
    asked = owner.run.live(caller.actor_id).approvals.get(caller.call_id)
    if asked is None:
        raise Bug(f"{caller.call_id} has asked nothing")
    return asked


def denial(answer: Answer) -> ApprovalRejected | ApprovalTimedOut:
    """The refusal of what was not approved."""
    if answer.by == "ttl":
        return ApprovalTimedOut()
    whose = "a policy of the operator" if answer.by == "policy" else answer.by
    return ApprovalRejected(rejected(answer.comment, whose))


def rejected(reason: str, whose: str) -> str:
    """A rejection in words."""
    return f"approval rejected by {whose}" + (f": {reason}" if reason else "")


def about(caller: Caller, tool: Tool, args: Any) -> Question:
    """What a tool call is about, in the terms of policies. args: as its handler takes them."""
    given = msgspec.to_builtins(args)
    url = given.get("url")
    words = given.get("args")
    command = given.get("command")
    if tool.name == "Git" and isinstance(words, list):
        command = " ".join(["git", *map(str, words)])
    text = f"{tool.name} {_encoder.encode(given).decode()}"
    return Question(
        category="tool_use",
        tool=tool.name,
        paths=tuple(paths(caller, given)),
        command=command if isinstance(command, str) else "",
        host=host_of(url) if isinstance(url, str) else "",
        cost_nanousd=cost_of(given.get("budget_usd")),
        digest=hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest(),
    )


def paths(caller: Caller, given: dict[str, Any]) -> Iterator[str]:
    """The paths that arguments name, absolute; links are followed, so that none hides a place."""
    for name in PATHS:
        value = given.get(name)
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and text and "\0" not in text:
                try:
                    yield str((caller.root / text).resolve())
                except (OSError, RuntimeError, ValueError):
                    yield str(caller.root / text)


def host_of(url: str) -> str:
    """The host of a URL; empty where it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def cost_of(usd: Any) -> int:
    """An amount of US dollars in nano-dollars; nothing where it is none."""
    try:
        return from_usd(usd) if isinstance(usd, int | float) else 0
    except ValueError:
        return 0
