"""Dialogue: one actor's conversation as people follow it, also a turn that is not over.

Law: the words of a turn are told once. Those that were heard while it went on are only completed
by its record.
"""

from msgspec import Struct

from leadhand.domain import events as e
from leadhand.domain.clock import At
from leadhand.domain.ids import CallId
from leadhand.model import blocks_of, text_of
from leadhand.views.timeline import entry
from leadhand.views.words import counted, line, plain

# Of what others have told it; what it says itself is told whole.
LINES_MAX, CHARS_MAX = 20, 500
RESULT_CHARS = 120
# What holds for the whole run and explains why an actor goes on, stands still or ends.
FOR_ALL = (e.RunCancelled, e.RunDraining, e.RunOwned, e.RunParked, e.RunUnparked)


class Part(Struct, frozen=True):
    """A piece of a conversation, safe to print. title: one line; body: lines that belong to it.

    goes_on: there is no title, and the body goes on in the line where the one before it stopped.
    open: the body may go on.
    """

    wall_ms: int
    title: str = ""
    body: str = ""
    goes_on: bool = False
    open: bool = False


class Dialogue:
    """Tells an actor's conversation piece by piece. Feed it events in order, and in between what
    the file of the present turn's words holds."""

    def __init__(self) -> None:
        self._asking = False
        self._heard = ""
        self._said = ""
        self._steps: dict[CallId, str] = {}

    def hear(self, text: str, wall_ms: int) -> Part | None:
        """What is new in the words of the present turn. text: all that its file holds, which may
        be the words of the turn before."""
        text = plain(text.strip())
        if not self._asking or not text or not missing(text, self._said):
            return None
        before, self._heard = self._heard, text
        if before and text.startswith(before):
            new = text[len(before) :]
            return Part(wall_ms, body=new, goes_on=True, open=True) if new else None
        return Part(wall_ms, "says", text, open=True)

    def add(self, at: At, event: e.Event) -> list[Part]:
        """What there is to tell of an event of this actor, or of the run."""
        wall_ms = at.now.wall_ms
        match event:
            case e.ActorSpawned():
                whose = f"prompt from {event.parent}" if event.parent else "prompt"
                return [Part(wall_ms, whose, brief(event.prompt))]
            case e.MessageSent():
                kind = f" ({line(event.kind)})" if event.kind else ""
                return [
                    Part(wall_ms, f"message from {line(event.sender)}{kind}", brief(event.text))
                ]
            case e.CallAdmitted():
                self._asking = not event.compacts
                return []
            case e.TurnRecorded():
                return self._turn(wall_ms, event)
            case e.ToolReturned():
                return [Part(wall_ms, self._result(event))]
            case e.CallCut():
                self._over(self._heard)
            case e.ActorSettled():
                return self._settled(wall_ms, event)
            case _:
                pass
        told = entry(at, event)
        return [Part(wall_ms, told.text)] if told.step else []

    def _over(self, said: str) -> None:
        # Of a turn without words, the file may still hold those of the one before.
        self._asking, self._heard, self._said = False, "", said or self._said

    def _turn(self, wall_ms: int, event: e.TurnRecorded) -> list[Part]:
        said = plain(text_of(blocks_of(event.answer))) if event.answer else ""
        parts = []
        if not self._heard:
            parts += [Part(wall_ms, "says", said)] if said else []
        elif not missing(self._heard, said):
            parts.append(Part(wall_ms, body=missing(said, self._heard), goes_on=True))
        elif left := missing(said, self._heard).strip():
            # What was heard is not what was recorded: another attempt gave the answer.
            parts.append(Part(wall_ms, "says", left))
        self._over(said)
        self._steps = {each.call: line(each.step or each.tool, 300) for each in event.intents}
        return [*parts, *(Part(wall_ms, f"calls {each}") for each in self._steps.values())]

    def _result(self, event: e.ToolReturned) -> str:
        step = line(self._steps.get(event.call, "a tool"), 60)
        shown = line(event.content, RESULT_CHARS)
        cut = len(event.content) > len(shown) and shown.endswith("…")
        size = f" ({len(event.content):,} characters)" if cut else ""
        return f"{step} {'failed' if event.is_error else 'gave'}: {shown}{size}"

    def _settled(self, wall_ms: int, event: e.ActorSettled) -> list[Part]:
        final = plain(event.final.strip())
        told = bool(self._said) and final.endswith(self._said)
        parts = [Part(wall_ms, "says", final)] if final and not told else []
        why = f": {line(event.error, 300)}" if event.error else ""
        self._over(self._said)
        return [*parts, Part(wall_ms, f"settled as {event.status}{why}")]


def missing(whole: str, part: str) -> str:
    """What a text has after the beginning that it shares with another one. Space does not count:
    between two blocks of an answer, its record has a line break that was never streamed."""
    if whole.startswith(part):
        return whole[len(part) :]
    at = 0
    for each in "".join(part.split()):
        while whole[at : at + 1].isspace():
            at += 1
        if whole[at : at + 1] != each:
            break
        at += 1
    return whole[at:]


def brief(text: str) -> str:
    """A text that others wrote, in a few lines that are not too long."""
    lines = plain(text.strip()).split("\n")
    shown = [
        each if len(each) <= CHARS_MAX else f"{each[:CHARS_MAX]}…" for each in lines[:LINES_MAX]
    ]
    if left := len(lines) - len(shown):
        shown.append(f"… and {counted(left, 'line')} more")
    return "\n".join(shown)
