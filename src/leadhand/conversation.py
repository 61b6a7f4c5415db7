"""Conversation: an actor's messages as its model reads them, folded from the actor's events."""

import re
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from leadhand.domain import events as e
from leadhand.domain.places import moved_settings
from leadhand.model import Block, Message, Prose, ToolResult, ToolUse, blocks_of

# Why an answer ends that goes on in the next one.
CUT = ("max_tokens", "context_exceeded")
NOT_RUN = "no result: you had settled before this call returned."
_FENCE = re.compile(r"<(\s*/?\s*(?:message|earlier|mcp_result))", re.IGNORECASE)


class Conversation(Struct):
    """What has been said. results: of tools, and mail: delivered, both not yet answered.

    open: tool calls without a result; unread: messages that no admission has delivered. final:
    the words of the last answer, and of those before it that were cut. stop_reason: of the last.
    forgotten: turns that only a summary tells of. spawned: with the settings that hold now.
    """

    spawned: e.ActorSpawned | None = None
    messages: list[Message] = field(default_factory=list)
    open: dict[str, ToolUse] = field(default_factory=dict)
    effects: dict[str, str] = field(default_factory=dict)
    results: list[ToolResult] = field(default_factory=list)
    mail: list[Prose] = field(default_factory=list)
    unread: dict[int, e.MessageSent] = field(default_factory=dict)
    asked: str = ""
    words: str = ""
    final: str = ""
    stop_reason: str = ""
    forgotten: int = 0

    def add(self, event: e.Event) -> None:
        """Take in one more event of this actor."""
        match event:
            case e.ActorSpawned():
                self.spawned = event
                self.mail.append(Prose(event.prompt))
            case e.ActorContinued() if self.spawned is not None:
                # The state, which makes the event, keeps no long settings: they are as they were.
                now, before = event.settings, self.spawned.settings
                system, env = now.system or before.system, now.env or before.env
                settings = replace(now, system=system, env=env)
                self.spawned = replace(self.spawned, settings=settings)
            case e.PathsMapped() if self.spawned is not None:
                settings = moved_settings(self.spawned.settings, event.pairs)
                self.spawned = replace(self.spawned, settings=settings)
            case e.MessageSent():
                self.unread[event.number] = event
            case e.CallAdmitted():
                for number in event.messages:
                    message = self.unread.pop(number, None)
                    if message is not None:
                        self.mail.append(Prose(fenced(message)))
                self.asked = event.call
            case e.TurnRecorded():
                self.messages += self.pending()
                self.results, self.mail = [], []
                blocks = blocks_of(event.answer)
                self.messages.append(Message("assistant", blocks))
                self.open = {each.id: each for each in blocks if isinstance(each, ToolUse)}
                self.effects = {intent.call: intent.effect for intent in event.intents}
                self.words = event.words or self.words
                said = "\n".join(each.text for each in blocks if isinstance(each, Prose))
                self.final = self.final + said if self.was_cut else said
                self.stop_reason = "" if self.open else event.stop_reason
            case e.ConversationCompacted() if event.summary:
                self.forget(event)
            case e.ToolReturned():
                self.open.pop(event.call, None)
                self.results.append(ToolResult(event.call, event.content, event.is_error))
            case e.ActorSettled():
                # Another stint may follow, and no provider takes a call without a result.
                self.results += [ToolResult(each, NOT_RUN, is_error=True) for each in self.open]
                self.open = {}
            case _:
                pass

    @property
    def was_cut(self) -> bool:
        """Whether the last answer was cut, so that the next goes on with it."""
        return self.stop_reason in CUT

    def forget(self, event: e.ConversationCompacted) -> None:
        """Go on from a summary: the prompt, the summary, the last answer and what followed it."""
        assert self.spawned is not None
        turns = sum(message.role == "assistant" for message in self.messages)
        self.forgotten += turns - 1
        told = summarized(event, self.forgotten)
        opening = Message("user", [Prose(self.spawned.prompt), Prose(told)])
        self.messages = [opening, self.messages[-1]]
        most = event.results_max // max(1, len(self.results))
        if most:
            self.results = [shortened(each, most, event.archive) for each in self.results]

    def pending(self) -> list[Message]:
        """The user message that the model has not yet answered, if there is one."""
        # In the order of the calls: the order in which they returned differs from that in the log.
        place = {call: number for number, call in enumerate(self.effects)}
        results = sorted(self.results, key=lambda result: place.get(result.id, len(place)))
        blocks: list[Block] = [*results, *self.mail]
        return [Message("user", blocks)] if blocks else []

    def all(self) -> list[Message]:
        """Every message, the unanswered one last."""
        return [*self.messages, *self.pending()]


def fenced(message: e.MessageSent) -> str:
    """A message as the model reads it: who sent it stands outside of what was sent."""
    text = harmless(message.text)
    return f'<message from="{message.sender}" kind="{message.kind}">\n{text}\n</message>'


def harmless(text: str) -> str:
    """A text in which nothing looks like a fence of ours."""
    return _FENCE.sub(r"&lt;\1", text)


def summarized(event: e.ConversationCompacted, turns: int) -> str:
    """A summary as the model reads it in place of its earlier turns."""
    text = harmless(event.summary)
    whole = f'; the whole is at "{event.archive}": Read it with offset and limit' * bool(
        event.archive
    )
    return (
        f'<earlier turns="{turns}">\nYour own summary of the conversation so far{whole}.\n'
        f"{text}\n</earlier>"
    )


def shortened(result: ToolResult, most: int, archive: str = "") -> ToolResult:
    """A result of at most so many characters, and where the whole of it is."""
    if len(result.content) <= most:
        return result
    where = f'; the whole is at the end of "{archive}"' if archive else ""
    content = f"{result.content[:most]}\n[cut{where}]"
    return ToolResult(result.id, content, result.is_error)


def briefly(messages: Iterable[Message], most: int) -> list[Message]:
    """The messages with results and words of at most so many characters."""

    def brief(block: Block) -> Block:
        match block:
            case ToolResult():
                return shortened(block, most)
            case Prose(text=text) if len(text) > most:
                return Prose(f"{text[:most]}\n[cut]")
        return block

    return [Message(each.role, [brief(block) for block in each.blocks]) for each in messages]


def asking(messages: Sequence[Message], text: str) -> list[Message]:
    """The messages with something more that the user says at the end."""
    *before, last = messages
    if last.role != "user":
        return [*messages, Message("user", [Prose(text)])]
    return [*before, Message("user", [*last.blocks, Prose(text)])]


def written_out(messages: Iterable[Message]) -> str:
    """A conversation as a text that can be read in pages."""
    parts = []
    for message in messages:
        parts.append(f"## {message.role}")
        for block in message.blocks:
            match block:
                case Prose(text=text):
                    parts.append(text)
                case ToolUse():
                    parts.append(f"[calls {block.name} {msgspec.json.encode(block.args).decode()}]")
                case ToolResult():
                    parts.append(f"[{'failed' if block.is_error else 'result'}]\n{block.content}")
                case _:
                    pass
    return "\n\n".join(parts)


def conversation(events: Iterable[e.Event]) -> Conversation:
    """The conversation of one actor's events."""
    found = Conversation()
    for event in events:
        found.add(event)
    return found


def summary_of(events: Iterable[e.Event]) -> str:
    """The summary of the last report among an actor's events; empty where there is none."""
    found = ""
    for event in events:
        if isinstance(event, e.OutcomeReported):
            found = event.delivery.summary
    return found
