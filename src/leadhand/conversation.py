"""Conversation: an actor's messages as its model reads them, folded from the actor's events."""

import re
from collections.abc import Iterable

import msgspec
from msgspec import Struct, field

from leadhand.domain import events as e
from leadhand.model import Block, Message, Prose, ToolResult, ToolUse

NOT_RUN = "no result: you had settled before this call returned."
_FENCE = re.compile(r"<(\s*/?\s*message)", re.IGNORECASE)
_blocks = msgspec.json.Decoder(list[Block])


class Conversation(Struct):
    """What has been said. results: of tools, and mail: delivered, both not yet answered.

    open: tool calls without a result; unread: messages that no admission has delivered.
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

    def add(self, event: e.Event) -> None:
        """Take in one more event of this actor."""
        match event:
            case e.ActorSpawned():
                self.spawned = event
                self.mail.append(Prose(event.prompt))
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
                blocks = _blocks.decode(event.answer)
                self.messages.append(Message("assistant", blocks))
                self.open = {each.id: each for each in blocks if isinstance(each, ToolUse)}
                self.effects = {intent.call: intent.effect for intent in event.intents}
                self.words = event.words or self.words
            case e.ToolReturned():
                self.open.pop(event.call, None)
                self.results.append(ToolResult(event.call, event.content, event.is_error))
            case e.ActorSettled():
                # Another stint may follow, and no provider takes a call without a result.
                self.results += [ToolResult(each, NOT_RUN, is_error=True) for each in self.open]
                self.open = {}
            case _:
                pass

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
    text = _FENCE.sub(r"&lt;\1", message.text)
    return f'<message from="{message.sender}" kind="{message.kind}">\n{text}\n</message>'


def conversation(events: Iterable[e.Event]) -> Conversation:
    """The conversation of one actor's events."""
    found = Conversation()
    for event in events:
        found.add(event)
    return found
