"""Scripted: a model that is a Python function, or a list of replies; for examples and tests."""

import asyncio
import importlib.util
import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from leadhand.domain.money import Price, Usage
from leadhand.errors import ModelError, UsageError
from leadhand.model import Answer, Block, Prose, Request, StopReason, ToolUse
from leadhand.models.wire import use

PREFIX = "script:"


class Reply(Struct, frozen=True, kw_only=True):
    """What a script answers. calls: (tool, arguments); arguments that are text stand for what a
    model wrote instead of a JSON object. delay_secs: before it answers. stop_reason: where it is
    not what the calls say."""

    text: str = ""
    calls: tuple[tuple[str, dict[str, Any] | str], ...] = ()
    usage: Usage | None = None
    delay_secs: float = 0.0
    stop_reason: StopReason | None = None

    @property
    def reason(self) -> StopReason:
        """Why the answer ends."""
        return self.stop_reason or ("tool_use" if self.calls else "end_turn")


Script = Callable[[Request], Reply | str | Awaitable[Reply | str]]


async def replied(script: Script, request: Request) -> Reply:
    """What a script answers to a request."""
    given = script(request)
    said = await given if inspect.isawaitable(given) else given
    return Reply(text=said) if isinstance(said, str) else said


class ScriptedModel:
    """Answers by a function of the request. Its tokens are counted as a quarter of the bytes."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def price(self, name: str) -> Price | None:
        """Scripts have no price of their own."""
        return None

    def lane(self, name: str) -> str:
        """Each script is its own."""
        return f"{name} {id(self):x}"

    async def count(self, request: Request) -> int | None:
        """A script has no counter."""
        return None

    async def answer(self, request: Request, on_text: Callable[[str], None]) -> Answer:
        """See `model.Model.answer`."""
        reply = await replied(self._script, request)
        if reply.delay_secs:
            await asyncio.sleep(reply.delay_secs)
        on_text(reply.text)
        blocks: list[Block] = [Prose(reply.text)] if reply.text else []
        for number, (name, args) in enumerate(reply.calls):
            call_id = f"{request.call_id}.{number}"
            if isinstance(args, str):
                blocks.append(use(call_id, name, args))
            else:
                blocks.append(ToolUse(call_id, name, args))
        return Answer(blocks, reply.reason, reply.usage or counted(request, blocks))


def counted(request: Request, blocks: list[Block]) -> Usage:
    """A plausible usage: a quarter of the bytes that were read and said."""
    read = len(request.system) + len(msgspec.json.encode((request.messages, request.tools)))
    return Usage(input=read // 4, output=len(msgspec.json.encode(blocks)) // 4 + 1)


def absolute(name: str, base: Path) -> str:
    """A script's name with its file made absolute; other models' names as they are."""
    if not name.startswith(PREFIX) or is_given(name):
        return name
    path, colon, function = name.removeprefix(PREFIX).partition(":")
    return f"{PREFIX}{(base / Path(path).expanduser()).resolve()}{colon}{function}"


def is_given(name: str) -> bool:
    """Whether a model is `script:NAME`: a function that a program gives, not one of a file."""
    return name.startswith(PREFIX) and name.removeprefix(PREFIX).isidentifier()


def replies(lines: list[Reply]) -> Script:
    """A script that gives these replies one after another to each actor, counted by its turns."""

    def script(request: Request) -> Reply:
        turn = sum(message.role == "assistant" for message in request.messages)
        if turn >= len(lines):
            raise ModelError(f"the script has {len(lines)} replies, turn {turn + 1} was asked")
        return lines[turn]

    return script


def load(name: str) -> ScriptedModel:
    """The model of `script:FILE.py:FUNCTION` or `script:FILE.jsonl`; see load_script."""
    return ScriptedModel(load_script(name))


def load_script(name: str) -> Script:
    """The script of `script:FILE.py:FUNCTION` or `script:FILE.jsonl` (absolute paths).

    A line of JSON is {"text": ..., "calls": [[tool, {...}]], "delay_secs": ...}. Raises
    UsageError, which says what is wrong with the file.
    """
    path_text, _, function = name.removeprefix(PREFIX).partition(":")
    if is_given(name):
        raise UsageError(
            f"{name}: it is a Python function, which this process was not given. The program that "
            f'has it names it: leadhand.open(models={{"{path_text}": ...}})'
        )
    path = Path(path_text)
    if not path.is_file():
        raise UsageError(f"{name}: there is no file {path}")
    if path.suffix == ".jsonl":
        return replies(read_lines(path))
    if path.suffix != ".py" or not function.isidentifier():
        raise UsageError(f"{name}: expected script:FILE.py:FUNCTION or script:FILE.jsonl")
    spec = importlib.util.spec_from_file_location(f"leadhand_script_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{name}: {path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"{name}: {type(error).__name__}: {error}") from error
    found = getattr(module, function, None)
    if not callable(found):
        raise UsageError(f"{name}: {path} has no function {function}")
    play: Script = found
    return play


def read_lines(path: Path) -> list[Reply]:
    """The replies of a file of JSON lines. Raises UsageError with the line."""
    found = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append(msgspec.json.decode(line, type=Reply))
        except msgspec.MsgspecError as error:
            raise UsageError(f"{path}:{number}: {error}") from error
    return found
