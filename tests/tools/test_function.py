"""Function: a Python function becomes a tool by its signature and docstring."""

import asyncio
import dataclasses
import functools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from leadhand.domain.manifest import KNOWN_TOOLS, ROLE_TOOLS, TOOL_ALIASES
from leadhand.errors import StoreError, UsageError
from leadhand.model import ToolResult, ToolUse
from leadhand.refusals import Refused, ToolFailed
from leadhand.tool import Caller, Tool
from leadhand.tools.call import Toolbox, schema_of
from leadhand.tools.finish import finish_tool
from leadhand.tools.function import TAKEN, Context, missing, tool, tools_of
from leadhand.tools.orchestration import orchestration
from tests.tools.kit import call, using


@dataclasses.dataclass
class Place:
    """Where."""

    x: int
    names: list[str] = dataclasses.field(default_factory=list)


class Step(Struct):
    """One step."""

    to: Place
    kind: Literal["walk", "ride"] = "walk"


class Chain(Struct):
    """A type that contains itself."""

    rest: "Chain | None" = None


@tool(effect="reads")
def travel(
    context: Context,
    steps: list[Step],
    mode: Literal["fast", "slow"] = "fast",
    note: str | None = None,
    tags: list[str] = ["a"],  # noqa: B006 (each call gets its own)
    limit: Annotated[int, Meta(ge=1)] = 3,
    *,
    distances: dict[str, float],
) -> list[str]:
    """Go somewhere.

    Args:
        steps: One after
            another.
        limit: At most.
    """
    tags.append(mode)
    return [context.actor_id, context.call_id, context.workspace.name, *tags, steps[0].kind]


def made(function: Callable[..., Any]) -> Tool:
    [found] = tools_of([function])
    return found


def result(root: Path, function: Callable[..., Any], args: dict[str, Any]) -> ToolResult:
    """What a model gets for a call, on the one road of every tool call."""
    found = made(function)

    async def asked(caller: Caller) -> ToolResult:
        use = ToolUse("call", found.name, args)
        return await Toolbox([found]).call(caller, [found], use)

    answer = using(root, asked)
    assert isinstance(answer, ToolResult)
    return answer


def error(root: Path, function: Callable[..., Any], args: dict[str, Any]) -> dict[str, str]:
    answer = result(root, function, args)
    assert answer.is_error, answer.content
    assert "Traceback" not in answer.content
    found: dict[str, str] = msgspec.json.decode(answer.content)["error"]
    return found


def test_the_schema_is_that_of_the_signature_and_has_no_references() -> None:
    seen = schema_of(made(travel))
    assert (seen.name, seen.description) == ("travel", "Go somewhere.")
    place = {
        "title": "Place",
        "type": "object",
        "description": "Where.",
        "properties": {
            "x": {"type": "integer"},
            "names": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["x"],
    }
    step = {
        "title": "Step",
        "type": "object",
        "description": "One step.",
        "properties": {"to": place, "kind": {"enum": ["ride", "walk"], "default": "walk"}},
        "required": ["to"],
    }
    assert seen.schema == {
        "type": "object",
        "properties": {
            "steps": {"type": "array", "items": step, "description": "One after another."},
            "mode": {"enum": ["fast", "slow"], "default": "fast"},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
            "tags": {"type": "array", "items": {"type": "string"}},
            "limit": {"type": "integer", "minimum": 1, "description": "At most.", "default": 3},
            "distances": {"type": "object", "additionalProperties": {"type": "number"}},
        },
        "required": ["steps", "distances"],
        "additionalProperties": False,
    }


def test_arguments_arrive_as_their_types_and_the_context_is_injected(tmp_path: Path) -> None:
    args = {"steps": [{"to": {"x": 1}}], "distances": {"a": 1}}
    for _ in range(2):
        answer = call(tmp_path, made(travel), args)
        assert answer == f'["root","call","{tmp_path.name}","a","fast","walk"]'


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"steps": []}, "missing required field `distances`"),
        ({"steps": [{"to": {}}], "distances": {}}, "missing required field `x`"),
        ({"steps": [], "distances": {}, "limit": 0}, ">= 1"),
        ({"steps": [], "distances": {}, "speed": 1}, "unknown field `speed`"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_by_name(
    tmp_path: Path, args: dict[str, Any], said: str
) -> None:
    found = error(tmp_path, travel, args)
    assert found["code"] == "invalid_arguments"
    assert said in found["message"]


def test_a_decorated_function_stays_what_it_was() -> None:
    @tool
    def double(number: int) -> int:
        """Twice a number."""
        return 2 * number

    assert double(4) == 8
    assert (made(double).name, made(double).effect) == ("double", "effects")
    named = tool(name="twice", description="Two times.", effect="reads")(double)
    assert (made(named).name, made(named).description) == ("twice", "Two times.")
    assert made(named).effect == "reads"


def test_a_sync_function_runs_in_a_thread_and_an_async_one_in_the_loop(tmp_path: Path) -> None:
    def slow() -> str:
        """Say where it runs."""
        return threading.current_thread().name

    async def quick() -> str:
        """Say where it runs."""
        await asyncio.sleep(0)
        return threading.current_thread().name

    def later() -> Any:
        """Give what must be awaited."""
        return quick()

    assert call(tmp_path, made(slow), {}) == "tool slow"
    assert call(tmp_path, made(quick), {}) == "MainThread"
    assert call(tmp_path, made(later), {}) == "MainThread"
    partial = functools.partial(quick)
    assert call(tmp_path, made(tool_named(partial)), {}) == "MainThread"


def tool_named(function: Callable[..., Any]) -> Callable[..., Any]:
    return tool(name="named", description="Say where it runs.")(function)


def test_methods_and_callables_are_tools_too(tmp_path: Path) -> None:
    class Shop:
        """Sell one fruit."""

        def price(self, fruit: str, /, currency: str = "usd") -> dict[str, str]:
            """What it costs."""
            return {fruit: currency}

        async def __call__(self, fruit: str) -> str:
            return f"sold {fruit}"

    assert call(tmp_path, made(Shop().price), {"fruit": "pear"}) == '{"pear":"usd"}'
    assert call(tmp_path, made(Shop()), {"fruit": "pear"}) == "sold pear"
    with pytest.raises(UsageError, match="a method cannot be decorated"):
        tool(Shop().price)


@pytest.mark.parametrize(
    ("value", "shown"),
    [("text", "text"), (None, "null"), (Place(1, ["a"]), '{"x":1,"names":["a"]}'), (1.5, "1.5")],
)
def test_a_result_is_text_as_it_is_or_json(tmp_path: Path, value: object, shown: str) -> None:
    def give() -> object:
        """Give it."""
        return value

    assert call(tmp_path, made(give), {}) == shown


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (ValueError("no such fruit"), "ValueError: no such fruit"),
        (KeyError("pear"), "KeyError: 'pear'"),
        (SystemExit(3), "SystemExit: 3"),
        (StopIteration("x"), "StopIteration"),
        (StoreError("their disk is full"), "StoreError: their disk is full"),
    ],
)
@pytest.mark.parametrize("in_loop", [False, True])
def test_what_a_function_raises_is_told_without_a_traceback(
    tmp_path: Path, raised: BaseException, said: str, in_loop: bool
) -> None:
    def broken() -> None:
        """Break."""
        raise raised

    async def broken_too() -> None:
        """Break."""
        raise raised

    found = error(tmp_path, broken_too if in_loop else broken, {})
    assert found["code"] == "tool_failed"
    assert said in found["message"]


def test_a_refusal_of_their_own_passes_with_its_next_step(tmp_path: Path) -> None:
    def refuse() -> None:
        """Refuse."""
        raise Refused("sold out", "Ask for plums.")

    assert error(tmp_path, refuse, {}) == {
        "code": "refused", "message": "sold out", "next": "Ask for plums.",
    }  # fmt: skip


def test_a_result_that_is_no_json_is_a_failure(tmp_path: Path) -> None:
    def odd() -> object:
        """Give an odd thing."""
        return threading.Lock()

    assert "lock" in error(tmp_path, odd, {})["message"]


def test_a_call_that_is_cancelled_leaves_its_thread_behind_and_goes_at_once(
    tmp_path: Path,
) -> None:
    free = threading.Event()

    def stuck() -> None:
        """Never return."""
        free.wait(60)

    async def cancelled(caller: Caller) -> float:
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await made(stuck).handler(caller, made(stuck).arguments.read({}))
        return time.monotonic() - began

    assert using(tmp_path, cancelled) < 10
    [thread] = [each for each in threading.enumerate() if each.name == "tool stuck"]
    assert thread.daemon
    free.set()
    thread.join(10)
    assert not thread.is_alive()


def starred(*words: str) -> None:
    """Have no names."""


def keywords(**words: str) -> None:
    """Have no names."""


def bare(fruit) -> None:  # type: ignore[no-untyped-def]
    """Have no type."""


def late(fruit: str, context: Context) -> None:
    """Have the context last."""


def silent(fruit: str) -> None: ...


def strange(lock: threading.Thread) -> None:
    """Have no JSON."""


def endless(chain: Chain) -> None:
    """Have no end."""


def torn(either: Step | Place) -> None:
    """Be one of two that look alike."""


def yielding() -> Iterator[int]:
    """Give one after another."""
    yield 1


def lost(fruit: "Fruit") -> None:  # type: ignore[name-defined]  # noqa: F821
    """Have a type that is nowhere."""


def Read(path: str) -> str:  # noqa: N802 (the name of a work tool)
    """Read otherwise."""
    return path


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (starred, r"starred: \*words: str has no names"),
        (keywords, r"keywords: \*\*words: str has no names"),
        (bare, "bare: fruit has no type: annotate it, as fruit: str"),
        (late, "late: context: only the first parameter may be the Context"),
        (silent, "silent: it has no docstring"),
        (strange, r"strange: lock: threading.Thread is nothing JSON holds"),
        (endless, "endless: its parameters have no JSON Schema"),
        (torn, "torn: .*"),
        (yielding, "yielding: it yields"),
        (lost, "lost: its signature cannot be read: name 'Fruit' is not defined"),
        (Read, "Read is one of Leadhand's own tools"),
        (lambda: None, '"<lambda>" is no name for a tool'),
        (4, "expected a function as a tool, found int"),
    ],
)
def test_a_function_that_says_too_little_is_refused_when_it_is_decorated(
    function: Any, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        tool(function)
    with pytest.raises(UsageError, match=said):
        tools_of([function])


def test_an_effect_that_there_is_not_and_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match='effect is "reads" or "effects", not \'keyed\''):
        tool(effect="keyed")(travel)  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="two tools are called travel"):
        tools_of([travel, travel])


def test_the_names_that_are_taken_are_those_of_all_other_tools() -> None:
    class Nobody:
        """An owner that is never asked."""

        run = type("Nothing", (), {"manifest": None})

    owner: Any = Nobody()
    others = [*orchestration(owner, owner), finish_tool(owner)]
    assert {each.name for each in others} == ROLE_TOOLS
    assert {name: each.name for each in others for name in each.aliases} == TOOL_ALIASES
    assert {*KNOWN_TOOLS, *ROLE_TOOLS, *TOOL_ALIASES} == TAKEN


def test_a_tool_that_this_process_was_not_given_says_so_whatever_it_is_asked(
    tmp_path: Path,
) -> None:
    [found] = missing(["travel", "sell"], [made(travel)])
    assert (found.name, found.effect) == ("sell", "reads")

    async def asked(caller: Caller) -> ToolResult:
        use = ToolUse("call", "sell", {"fruit": "pear"})
        return await Toolbox([found]).call(caller, [found], use)

    answer = using(tmp_path, asked)
    assert answer.is_error
    assert "sell is a Python function of the program that dispatched this run" in answer.content
    assert '"next":"Do without it' in answer.content


def test_a_failure_is_a_refusal_that_a_caller_sees(tmp_path: Path) -> None:
    def broken() -> None:
        """Break."""
        raise ValueError

    with pytest.raises(ToolFailed, match="ValueError"):
        call(tmp_path, made(broken), {})
