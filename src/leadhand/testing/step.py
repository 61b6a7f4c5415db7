"""Step: one answer of a scripted model with what goes wrong on its way, and scripts in prompts."""

import re
from typing import Any

import msgspec
from msgspec import field

from leadhand.errors import ModelError
from leadhand.model import Prose, Request, text_of
from leadhand.models.scripted import Reply
from leadhand.testing.script import asks_handoff, asks_summary, forgotten

PIECES_MAX = 200
PIECE_CHARS = 40
# The tag is what Claude Code looks for; the script goes on from the turn that is named.
_HANDOFF = """<summary>
The steps so far were played.
<earlier turns="{turns}">
```script
{script}
```
</summary>"""
# What Claude Code says after a summary where the last answers before it follow.
_KEPT = "recent messages from before compaction, kept verbatim"
_FENCE = re.compile(r"^```script[ \t]*\n(.*?)\n```[ \t]*$", re.MULTILINE | re.DOTALL)


class Step(Reply, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reply that a model server sends as told here. In process the extra fields do nothing.

    thinking: what the model thinks first; it comes with a signature, or encrypted.
    status: anything but 200 refuses the request: with `error` as the provider's code and `text`
    as its message, or with `body` as it stands. headers: of the response.
    chunk_delay_secs: between two events. drop_after, drop_after_bytes: the connection is dropped
    after so many events or bytes; silent_after: nothing more is sent after so many events.
    garbage: sent raw in place of the second event. figures: usage figures as the dialect names
    them, whatever they are; no_usage: none are sent.
    """

    thinking: str = ""
    status: int = 200
    error: str = ""
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    chunk_delay_secs: float = 0.0
    drop_after: int | None = None
    drop_after_bytes: int | None = None
    silent_after: int | None = None
    garbage: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    no_usage: bool = False


_steps = msgspec.json.Decoder(list[Step])


def as_step(reply: Reply) -> Step:
    """A reply as a step."""
    if isinstance(reply, Step):
        return reply
    return Step(**{name: getattr(reply, name) for name in Reply.__struct_fields__})


def with_script(prompt: str, steps: list[Step]) -> str:
    """The prompt with these steps in it, for `from_prompt` to play."""
    plain = [
        {name: getattr(step, name) for name, default in _DEFAULTS.items() if is_set(step, name)}
        for step in steps
    ]
    return f"{prompt}\n\n```script\n{msgspec.json.encode(plain).decode()}\n```\n"


def is_set(step: Step, name: str) -> bool:
    """Whether a step sets a field."""
    return bool(getattr(step, name) != _DEFAULTS[name])


_DEFAULTS = msgspec.structs.asdict(Step())


def from_prompt(request: Request) -> Step:
    """The script that plays the last ```script block in the user's words: a JSON list of steps.

    The step is counted by the answers since, so nothing is remembered: many conversations may be
    played at once, and one that is resumed goes on where it was, as does one that a coding agent
    has had summarized.
    """
    if asks_summary(request):
        return Step(text="Summary: the steps so far were played.")
    script, answers = "", 0
    told_again: set[str] = set()
    for message in request.messages:
        if message.role == "assistant":
            if text_of(message.blocks) not in told_again:
                answers, told_again = answers + 1, set()
            continue
        for block in message.blocks:
            text = block.text if isinstance(block, Prose) else ""
            if blocks := _FENCE.findall(text):
                script, answers = blocks[-1], 0
            answers += forgotten(text)
            if _KEPT in text and script:
                told_again = {step.text.strip() for step in _read(script)[:answers]}
    if asks_handoff(request):
        return Step(text=_HANDOFF.format(turns=answers, script=script or "[]"))
    if not script:
        raise ModelError("no ```script block is in the prompt", kind="bad_request")
    return _step(_read(script), answers)


def _read(script: str) -> list[Step]:
    try:
        return _steps.decode(script)
    except msgspec.MsgspecError as error:
        raise ModelError(f"the script in the prompt: {error}", kind="bad_request") from error


def _step(steps: list[Step], answers: int) -> Step:
    if answers >= len(steps):
        raise ModelError(
            f"the script has {len(steps)} steps, step {answers + 1} was asked", kind="bad_request"
        )
    return steps[answers]


def pieces(text: str) -> list[str]:
    """The text in the pieces that it is streamed in."""
    size = max(PIECE_CHARS, -(-len(text) // PIECES_MAX))
    return [text[start : start + size] for start in range(0, len(text), size)]
