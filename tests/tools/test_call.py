"""Call: every tool call has one road, and whatever goes wrong on it is a result."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct

from leadhand.domain.ids import CallId
from leadhand.domain.manifest import WORKER_TOOLS
from leadhand.errors import ManifestError, StoreError
from leadhand.model import ToolResult, ToolUse
from leadhand.refusals import InvalidArguments, ToolFailed
from leadhand.tool import Caller, Role, Tool
from leadhand.tools.call import RESULT_MAX, Toolbox, parsed, refused, schema_of
from leadhand.tools.work.table import WORK_TOOLS
from tests.tools.lead_kit import Calling, leading

EVERYONE: frozenset[Role] = frozenset({"lead", "sublead", "worker"})
ORCHESTRATION = {
    *("spawn_worker", "spawn_sublead", "wait_actor", "wait_for_any", "list_workers"),
    *("worker_status", "cancel_worker", "house_rules", "send"),
    *("pause_worker", "continue_worker", "reprompt_worker", "propose_plan"),
}
SHARED = {
    *("kv_get", "kv_set", "kv_cas", "kv_list", "kv_wait"),
    *("lease_acquire", "lease_release", "run_lease_acquire", "run_lease_release"),
    "request_approval",
}


class Inner(Struct, frozen=True, forbid_unknown_fields=True):
    """A struct in a struct."""

    depth: int = 0


class Said(Struct, frozen=True, forbid_unknown_fields=True):
    """What the tool Say takes."""

    text: str = ""
    times: Annotated[int, Meta(ge=0, le=100_000)] = 1
    inner: Inner = Inner()


def tool(handler: Callable[[Caller, Said], Awaitable[Any]], name: str = "Say") -> Tool:
    """A tool for everybody."""
    return Tool(name, "Say it.", Said, EVERYONE, "reads", "orchestration", handler, ("Repeat",))


async def say(caller: Caller, args: Said) -> str:
    return args.text * args.times


def failing(error: BaseException) -> Tool:
    """A tool that raises."""

    async def fail(caller: Caller, args: Said) -> str:
        raise error

    return tool(fail)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the lead works."""
    folder = tmp_path / "repo"
    folder.mkdir()
    return folder


def result(root: Path, made: Tool, args: Any, name: str = "Say") -> ToolResult:
    """What a call gives."""

    async def deed(lead: Calling) -> ToolResult:
        return await lead.result(name, args)

    return leading(root, deed, extra=[made])


def error(found: ToolResult) -> dict[str, str]:
    """What a failed call says."""
    assert found.is_error
    told: dict[str, dict[str, str]] = msgspec.json.decode(found.content)
    return told["error"]


# --- who has which tools


def box(root: Path, deed: Callable[[Toolbox], None]) -> None:
    """Look at the tools of a run."""

    async def look(lead: Calling) -> None:
        deed(lead.toolbox)

    leading(root, look)


def test_leads_orchestrate_and_workers_do_not(root: Path) -> None:
    def deed(toolbox: Toolbox) -> None:
        everything = [each.name for each in WORK_TOOLS]
        for role in ("lead", "sublead"):
            names = {each.name for each in toolbox.offered(role, ())}
            assert names == {*ORCHESTRATION, *SHARED}
        assert {each.name for each in toolbox.offered("worker", ())} == {*SHARED, "report"}
        found = {each.name for each in toolbox.offered("worker", [*everything, *ORCHESTRATION])}
        assert found == {*WORKER_TOOLS, *SHARED, "report"}

    box(root, deed)


def test_only_the_work_tools_that_were_given_are_offered(root: Path) -> None:
    def deed(toolbox: Toolbox) -> None:
        offered = [each.name for each in toolbox.offered("worker", ("Read", "Fly"))]
        assert [name for name in offered if name not in {*SHARED, "report"}] == ["Read"]

    box(root, deed)


@pytest.mark.parametrize("prefix", ["", "mcp__leadhand__", "mcp__pitboss__"])
def test_a_tool_is_found_by_name_and_alias_behind_any_known_prefix(root: Path, prefix: str) -> None:
    def deed(toolbox: Toolbox) -> None:
        for name in (*ORCHESTRATION, *WORKER_TOOLS):
            found = toolbox.find(prefix + name)
            assert found is not None
            assert found.name == name
        waiting = toolbox.find(f"{prefix}wait_for_worker")
        assert waiting is not None
        assert waiting.name == "wait_actor"

    box(root, deed)


def test_an_unknown_tool_is_refused_with_those_that_there_are(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        for name in ("Fly", "mcp__other__spawn_worker", "spawn-worker", "", "\x00", "x" * 100_000):
            found = await lead.refused(name)
            assert found["code"] == "unknown_tool"
            assert len(found["message"]) < 200
            assert found["next"].startswith(
                "Your tools are: Read, Write, spawn_worker, spawn_sublead"
            )
            assert "Bash" not in found["next"]

    leading(root, deed)


def test_a_tool_that_was_not_given_is_unknown(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        found = await lead.refused("Bash", {"command": "touch here"})
        assert found["code"] == "unknown_tool"
        assert not (root / "here").exists()

    leading(root, deed)


def test_every_schema_is_one_object_without_references(root: Path) -> None:
    def deed(toolbox: Toolbox) -> None:
        for schema in toolbox.schemas([*toolbox.offered("lead", WORKER_TOOLS)]):
            assert schema.schema["type"] == "object"
            assert schema.schema["additionalProperties"] is False
            assert "$ref" not in str(schema.schema)
            assert schema.description

    box(root, deed)


def test_the_arguments_of_a_spawn_are_those_of_the_manual(root: Path) -> None:
    def deed(toolbox: Toolbox) -> None:
        spawn = toolbox.find("spawn_worker")
        assert spawn is not None
        schema = schema_of(spawn).schema
        assert [*schema["properties"]] == [
            *("prompt", "agent", "model", "tools", "directory", "add_dirs", "timeout_secs"),
            *("budget_usd", "max_turns", "label", "key"),
            *("returns", "files", "changed", "commands", "command_timeout_secs", "forbid"),
            "writes",
        ]
        assert schema["required"] == ["prompt"]

    box(root, deed)


# --- arguments


@pytest.mark.parametrize(
    ("args", "field"),
    [
        ({"text": 5}, "$.text"),
        ({"times": "many"}, "$.times"),
        ({"inner": {"depth": "deep"}}, "$.inner.depth"),
        ({"txet": "x"}, "txet"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_the_field(
    root: Path, args: dict[str, Any], field: str
) -> None:
    found = error(result(root, tool(say), args))
    assert found["code"] == "invalid_arguments"
    assert found["message"].startswith("Say: ")
    assert field in found["message"]
    assert found["next"] == "Its arguments are: text, times, inner."


def deep(levels: int) -> Any:
    """Lists in lists."""
    found: Any = "x"
    for _ in range(levels):
        found = [found]
    return found


@pytest.mark.parametrize(
    "args",
    [
        None,
        [],
        "text",
        5,
        {"text": None},
        {"text": b"\xff"},
        {"text": "\ud800"},
        {"\udfff": 1},
        {5: "x"},
        {None: "x"},
        {"text": deep(100)},
        {"text": deep(100_000)},
        {"inner": deep(5_000)},
        {"inner": {"inner": {"inner": {}}}},
        {"times": 10**400},
        {"times": float("inf")},
        {"times": True},
        {"text": object()},
        {"x" * 1_000_000: "x"},
        {str(number): number for number in range(10_000)},
    ],
    ids=lambda args: str(type(args)),
)
def test_hostile_arguments_are_refused_in_few_words(root: Path, args: Any) -> None:
    async def deed(lead: Calling) -> ToolResult:
        caller = lead.caller()
        offered = lead.toolbox.offered("lead", ())
        return await lead.toolbox.call(caller, offered, ToolUse(caller.call_id, "Say", args))

    found = error(leading(root, deed, extra=[tool(say)]))
    assert found["code"] == "invalid_arguments"
    assert len(found["message"]) < 1_000


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from(["text", "times", "inner", "x", ""]), json, max_size=3))
def test_whatever_the_arguments_they_are_taken_or_refused(args: dict[str, Any]) -> None:
    try:
        found = parsed(tool(say), args)
    except InvalidArguments:
        return
    assert isinstance(found, Said)


# --- results


def test_a_result_is_text_or_a_struct_as_json(root: Path) -> None:
    async def struct(caller: Caller, args: Said) -> Inner:
        return Inner(7)

    assert result(root, tool(say), {"text": "Grüße\n"}).content == "Grüße\n"
    assert result(root, tool(struct), {}).content == '{"depth":7}'
    assert result(root, tool(say), {"text": "x"}, "mcp__leadhand__Repeat").content == "x"


def test_a_long_result_is_cut_and_its_whole_is_read_in_pages(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        found = await lead.result("Say", {"text": "0123456789" * 10, "times": 3_000})
        assert not found.is_error
        assert len(found.content) < RESULT_MAX + 300
        assert found.content.startswith("0123456789" * 6_000)
        pointer = found.content.split('"')[1]
        assert f'the whole is at "{pointer}"' in found.content
        whole, offset = "", 1
        while True:
            page = await lead.result("Read", {"file_path": pointer, "offset": offset, "limit": 25})
            assert "[cut:" not in page.content
            rows = [row for row in page.content.splitlines() if "\t" in row]
            whole += "".join(row.partition("\t")[2] for row in rows)
            offset += len(rows)
            if "go on with" not in page.content:
                break
        assert whole == "0123456789" * 30_000

    leading(root, deed, extra=[tool(say)])


def test_a_whole_page_of_read_passes_uncut(root: Path) -> None:
    (root / "long.txt").write_text("\n".join(f"line {n} {'x' * 500}" for n in range(1_000)))

    async def deed(lead: Calling) -> None:
        page = await lead.result("Read", {"file_path": "long.txt"})
        assert "[cut:" not in page.content
        assert page.content.rstrip().endswith(")")
        assert "go on with offset" in page.content

    leading(root, deed)


def test_a_result_that_is_not_cut_has_all_that_there_is(root: Path) -> None:
    found = result(root, tool(say), {"text": "x", "times": RESULT_MAX})
    assert found.content == "x" * RESULT_MAX


def test_what_no_encoding_holds_is_escaped(root: Path) -> None:
    async def names(caller: Caller, args: Said) -> str:
        return "caf\udce9.txt"

    async def refuse(caller: Caller, args: Said) -> str:
        raise ToolFailed("no caf\udce9.txt", "try caf\udce9")

    assert result(root, tool(names), {}).content == "caf\\udce9.txt"
    assert error(result(root, tool(refuse), {}))["message"] == "no caf\\udce9.txt"
    assert error(result(root, failing(OSError(2, "gone", "\udce9")), {}))["code"] == "tool_failed"


# --- what goes wrong


def test_a_refusal_says_its_code_what_is_wrong_and_what_to_do(root: Path) -> None:
    found = result(root, failing(ToolFailed("no ink", "Fill it.")), {})
    assert error(found) == {"code": "tool_failed", "message": "no ink", "next": "Fill it."}
    assert error(result(root, failing(ToolFailed("no ink")), {})) == {
        "code": "tool_failed",
        "message": "no ink",
    }


def test_a_refusal_of_a_megabyte_is_cut() -> None:
    assert len(refused(ToolFailed("x" * 1_000_000, "y" * 1_000_000))) < 10_000


@pytest.mark.parametrize(
    "raised", [OSError(28, "No space left"), ManifestError([]), FileNotFoundError("gone")]
)
def test_what_the_machine_does_is_a_result_too(root: Path, raised: Exception) -> None:
    assert error(result(root, failing(raised), {}))["code"] == "tool_failed"


def test_a_store_that_failed_is_no_result(root: Path) -> None:
    with pytest.raises(StoreError, match="disk full"):
        result(root, failing(StoreError("disk full")), {})


def test_being_cancelled_is_no_result(root: Path) -> None:
    async def sleep(caller: Caller, args: Said) -> str:
        await asyncio.sleep(60)
        return ""

    async def deed(lead: Calling) -> None:
        call = asyncio.create_task(lead.result("Say"))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    leading(root, deed, extra=[tool(sleep)])


def test_the_result_names_the_call_that_it_answers(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        assert (await lead.result("Say", {}, call="abc")).id == "abc"
        assert (await lead.result("Fly", {}, call="def")).id == "def"

    leading(root, deed, extra=[tool(say)])


# --- intents


def test_an_intent_says_what_a_call_is_about_to_do(root: Path) -> None:
    def deed(toolbox: Toolbox) -> None:
        made = toolbox.intent(ToolUse("1", "mcp__leadhand__Write", {"file_path": "a.py"}))
        assert (made.call, made.tool, made.effect) == (CallId("1"), "Write", "effects")
        assert made.step == "Write a.py"
        assert toolbox.intent(ToolUse("1", "spawn_worker", {"prompt": "x"})).effect == "keyed"
        assert toolbox.intent(ToolUse("1", "Read", {"offset": 1})).step == "Read"
        assert toolbox.intent(ToolUse("1", "Fly", {})).effect == "reads"

    box(root, deed)
