"""Script: what a scripted model asks of the conversation before it replies."""

import re
from typing import Any

import msgspec
from msgspec import Struct

from leadhand.briefing import COMPACT
from leadhand.model import Prose, Request, ToolResult, ToolUse

_EARLIER = re.compile(r'<earlier turns="(\d+)">')
# How Codex and Claude Code ask for a summary that their next conversation is to begin with.
_HANDOFFS = (
    "You are performing a CONTEXT CHECKPOINT COMPACTION",
    "Your task is to create a detailed summary of the conversation",
)


class Done(Struct, frozen=True):
    """A tool call that has returned: its arguments and its result."""

    tool: str
    args: dict[str, Any]
    text: str
    is_error: bool

    @property
    def json(self) -> dict[str, Any]:
        """The result as an object; empty where it is none."""
        try:
            found = msgspec.json.decode(self.text)
        except msgspec.DecodeError:
            return {}
        return found if isinstance(found, dict) else {}


def done(request: Request, tool: str = "") -> list[Done]:
    """The tool calls that have returned, in order; of one tool, or of all."""
    uses: dict[str, ToolUse] = {}
    found = []
    for message in request.messages:
        for block in message.blocks:
            if isinstance(block, ToolUse):
                uses[block.id] = block
            elif isinstance(block, ToolResult) and block.id in uses:
                use = uses[block.id]
                if tool in ("", use.name):
                    found.append(Done(use.name, use.args, block.content, block.is_error))
    return found


def prompt(request: Request) -> str:
    """The words that the conversation began with."""
    first = request.messages[0].blocks
    return "\n".join(block.text for block in first if isinstance(block, Prose))


def turn(request: Request) -> int:
    """How many answers the model has given before this one, those that only a summary tells of
    included."""
    return forgotten(prompt(request)) + sum(
        message.role == "assistant" for message in request.messages
    )


def forgotten(text: str) -> int:
    """How many earlier turns a text says that it tells of as their summary."""
    found = _EARLIER.search(text)
    return int(found[1]) if found else 0


def asks_summary(request: Request) -> bool:
    """Whether the model is asked to summarize the conversation, which is no turn of it."""
    last = request.messages[-1].blocks[-1]
    return isinstance(last, Prose) and last.text == COMPACT


def asks_handoff(request: Request) -> bool:
    """Whether a coding agent asks for the summary that its next conversation is to begin with."""
    return any(
        isinstance(block, Prose) and ask in block.text
        for block in request.messages[-1].blocks
        for ask in _HANDOFFS
    )
