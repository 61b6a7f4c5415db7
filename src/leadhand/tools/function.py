"""Function: a Python function of the user's own as a tool."""

import asyncio
import contextvars
import inspect
import re
import threading
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, overload

import msgspec
from msgspec import Meta, Struct

from leadhand.domain.manifest import KNOWN_TOOLS, ROLE_TOOLS, TOOL_ALIASES
from leadhand.errors import UsageError
from leadhand.refusals import Refused, ToolFailed, UnknownTool
from leadhand.tool import EVERYONE, Caller, Tool
from leadhand.tools import docstring
from leadhand.tools.call import schema_of

CATEGORY = "own"
TAKEN = {*KNOWN_TOOLS, *ROLE_TOOLS, *TOOL_ALIASES}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_MARK = "__leadhand_tool__"

_encoder = msgspec.json.Encoder()

Changes = Literal["reads", "effects"]
Function = Callable[..., Any]
F = TypeVar("F", bound=Function)


class Context(Struct, frozen=True):
    """Who calls a tool. A function whose first parameter is annotated with it is given it.

    actor_id: the actor's path, such as root/W1. call_id: the same when a call is repeated after a
    crash. workspace: the actor's directory, absolute.
    """

    actor_id: str
    call_id: str
    workspace: Path


class Nothing(Struct, frozen=True):
    """The arguments of a tool that is not there: whatever they are."""


@overload
def tool(function: F) -> F:
    """Make a function a tool."""


@overload
def tool(*, name: str = ..., description: str = ..., effect: Changes = ...) -> Callable[[F], F]:
    """Make one of another name, description or effect."""


def tool(
    function: F | None = None,
    *,
    name: str = "",
    description: str = "",
    effect: Changes = "effects",
) -> F | Callable[[F], F]:
    """Make a function, sync or async, a tool that `leadhand.open(tools=[...])` takes.

    Its name, and the types of its parameters, become the tool's; the first part of its docstring
    is what the model reads about it, and the section `Args:` (or `:param NAME:`) about each
    parameter. A sync function runs in a thread. What it returns is shown as it is (text) or as
    JSON; an error that it raises is told to the model by its message. The function stays what it
    was. Actors have the tool whose manifest or spawn names it under `tools`.

    effect: `reads` may be run again where a crash left open whether it was run; `effects` never
    is: the model is told that the outcome is unknown. Raises UsageError where the signature says
    too little.
    """

    def marked(function: F) -> F:
        made = made_of(function, name=name, description=description, effect=effect)
        try:
            setattr(function, _MARK, made)
        except AttributeError as error:
            raise UsageError(
                f"{made.name}: a {type(function).__name__} cannot be decorated; wrap it in a "
                "function, or give it to leadhand.open(tools=[...]) as it is"
            ) from error
        return function

    return marked if function is None else marked(function)


def tools_of(functions: Iterable[Function]) -> tuple[Tool, ...]:
    """The tools that functions are, decorated or not. Raises UsageError."""
    found: dict[str, Tool] = {}
    for function in functions:
        made = getattr(function, _MARK, None) or made_of(function)
        if made.name in found:
            raise UsageError(f"two tools are called {made.name}: give one another name")
        found[made.name] = made
    return tuple(found.values())


def missing(names: Collection[str], given: Sequence[Tool]) -> list[Tool]:
    """Stand-ins for the tools of a run that this process was not given: they refuse."""
    here = {each.name for each in given}
    return [stand_in(name) for name in names if name not in here]


def stand_in(name: str) -> Tool:
    """A tool that says that it is not there."""

    async def refuse(caller: Caller, args: Nothing) -> str:
        raise UnknownTool(
            f"{name} is a Python function of the program that dispatched this run; the process "
            "that goes on with it was not given it",
            "Do without it, or report what could not be done.",
        )

    words = "Not available since this run was resumed without it."
    return Tool(name, words, Nothing, EVERYONE, "reads", CATEGORY, refuse)


def made_of(
    function: Function, *, name: str = "", description: str = "", effect: Changes = "effects"
) -> Tool:
    """The tool that a function is. Raises UsageError."""
    if not callable(function):
        raise UsageError(f"expected a function as a tool, found {type(function).__name__}")
    name = name or getattr(function, "__name__", type(function).__name__)
    if not _NAME.fullmatch(name):
        raise UsageError(
            f'"{name}" is no name for a tool: it must begin with a letter, followed by at most 63 '
            "letters, digits, _ or -. Name it: @leadhand.tool(name=...)"
        )
    if name in TAKEN:
        raise UsageError(f"{name} is one of Leadhand's own tools: give yours another name")
    if effect not in get_args(Changes):
        raise UsageError(f'{name}: effect is "reads" or "effects", not {effect!r}')
    doc = docstring.read(inspect.getdoc(function) or "")
    if not (description or doc.text):
        raise UsageError(f"{name}: it has no docstring, which tells the model what the tool does")
    injected, parameters = signature(name, function)
    args = arguments(name, parameters, doc.parameters)
    found = Tool(
        name=name,
        description=description or doc.text,
        args=args,
        roles=EVERYONE,
        effect=effect,
        category=CATEGORY,
        handler=calling(name, function, injected, parameters),
    )
    try:
        schema_of(found)
        msgspec.json.Decoder(args)
    except (TypeError, RecursionError) as error:
        raise UsageError(f"{name}: its parameters have no JSON Schema: {error}") from error
    return found


def signature(name: str, function: Function) -> tuple[bool, list[inspect.Parameter]]:
    """Whether the function wants a Context, and its other parameters. Raises UsageError."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise UsageError(f"{name}: it yields; a tool returns what it has found")
    try:
        found = [*inspect.signature(function, eval_str=True).parameters.values()]
    except (NameError, TypeError, ValueError, AttributeError, SyntaxError) as error:
        raise UsageError(f"{name}: its signature cannot be read: {error}") from error
    injected = bool(found) and found[0].annotation is Context
    parameters = found[1:] if injected else found
    for each in parameters:
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            raise UsageError(f"{name}: {each} has no names; a model needs the name of each")
        if each.annotation is each.empty:
            raise UsageError(f"{name}: {each.name} has no type: annotate it, as {each.name}: str")
        if each.annotation is Context:
            raise UsageError(f"{name}: {each.name}: only the first parameter may be the Context")
    return injected, parameters


def arguments(name: str, parameters: list[inspect.Parameter], said: dict[str, str]) -> type[Struct]:
    """The struct that a model's arguments are read into. Raises UsageError."""
    fields: list[tuple[str, Any, Any]] = []
    for each in parameters:
        kind = each.annotation
        if each.name in said:
            kind = Annotated[kind, Meta(description=said[each.name])]
        try:
            msgspec.json.schema(kind)
        except (TypeError, RecursionError) as error:
            shown = inspect.formatannotation(each.annotation)
            raise UsageError(f"{name}: {each.name}: {shown} is nothing JSON holds") from error
        default: Any = msgspec.NODEFAULT if each.default is each.empty else each.default
        if isinstance(default, list | dict | set):
            default = msgspec.field(default_factory=_copies(default))
        fields.append((each.name, kind, default))
    return msgspec.defstruct(
        name.replace("-", "_"), fields, frozen=True, kw_only=True, forbid_unknown_fields=True
    )


def _copies(value: Any) -> Callable[[], Any]:
    return lambda: deepcopy(value)


def calling(
    name: str, function: Function, injected: bool, parameters: list[inspect.Parameter]
) -> Callable[[Caller, Any], Awaitable[str]]:
    """What carries a call out: the function's result as text. Raises Refused."""
    of_coroutine = (function, type(function).__call__)
    plain = not any(map(inspect.iscoroutinefunction, of_coroutine))
    by_place = [each.name for each in parameters if each.kind is each.POSITIONAL_ONLY]

    async def carry_out(caller: Caller, args: Struct) -> str:
        named = {each.name: getattr(args, each.name) for each in parameters}
        context = (Context(caller.actor_id, caller.call_id, caller.root),) if injected else ()
        placed = (*context, *(named.pop(each) for each in by_place))
        try:
            if plain:
                given = await in_thread(name, lambda: function(*placed, **named))
            else:
                given = function(*placed, **named)
            if inspect.isawaitable(given):
                given = await given
            return given if isinstance(given, str) else _encoder.encode(given).decode()
        except Refused:
            raise
        except (Exception, SystemExit) as error:
            raise ToolFailed(f"{type(error).__name__}: {error}") from error

    return carry_out


async def in_thread(name: str, work: Callable[[], Any]) -> Any:
    """Do something in a thread of its own, which keeps nobody from ending: who waits for it and is
    cancelled leaves it behind."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: Any, error: BaseException | None) -> None:
        if done.done():
            return  # Whoever waited was cancelled.
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    def carry_out() -> None:
        result: Any = None
        failed: BaseException | None = None
        try:
            result = context.run(work)
        except Refused as error:
            failed = error
        except BaseException as error:  # noqa: BLE001 (it is told where it is awaited)
            # A future takes no StopIteration, and nobody is to end for a SystemExit in here.
            failed = ToolFailed(f"{type(error).__name__}: {error}")
        # The loop may be gone by now.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=carry_out, name=f"tool {name}", daemon=True).start()
    return await done
