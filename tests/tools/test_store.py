import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT
from leadhand.domain.rules import kv
from leadhand.tools.store import LISTED_MAX, KvList, listed, matches
from tests.tools.lead_kit import Calling, leading

DENIED = "namespace_denied"


async def work(calling: Calling, worker: str, tool: str, args: Any, call: str = "") -> Any:
    """What a tool call of a worker gives, well or not."""
    result = await calling.result(tool, args, actor=worker, role="worker", call=call)
    return msgspec.json.decode(result.content)


def test_every_role_has_the_tools_whatever_work_tools_it_was_given(tmp_path: Path) -> None:
    async def deed(calling: Calling) -> None:
        names = ("kv_get", "kv_set", "kv_cas", "kv_list", "kv_wait")
        for role in ("lead", "sublead", "worker"):
            offered = {tool.name for tool in calling.toolbox.offered(role, ())}
            assert offered.issuperset(names)

    leading(tmp_path, deed)


@pytest.mark.parametrize(
    "value",
    [
        "text",
        "",
        None,
        True,
        0,
        -1.5,
        2**70,
        [1, {"a": []}],
        {"ключ": "значение"},
        "\x00\x1b[31m\n",
    ],
)
def test_a_value_is_read_as_it_was_written(tmp_path: Path, value: Any) -> None:
    async def deed(calling: Calling) -> None:
        worker = await calling.spawn()
        put = await calling.call("kv_set", {"path": "/shared/x", "value": value})
        assert put == {"path": "/shared/x", "version": 1}
        found = await work(calling, worker, "kv_get", {"path": "/shared/x"})
        assert found == {
            "path": "/shared/x", "found": True, "value": value, "version": 1, "writer": "root",
        }  # fmt: skip

    leading(tmp_path, deed)


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    async def deed(calling: Calling) -> None:
        found = await calling.call("kv_get", {"path": "/ref/spec"})
        assert found == {"path": "/ref/spec", "found": False}

    leading(tmp_path, deed)


def test_a_long_value_is_a_blob_and_the_event_is_short(tmp_path: Path) -> None:
    async def deed(calling: Calling) -> None:
        long = "x" * (kv.VALUE_MAX - 2)
        await calling.call("kv_set", {"path": "/shared/x", "value": long})
        [put] = [each for each in await calling.log() if isinstance(each, e.EntryPut)]
        assert (put.value, put.size) == ("", kv.VALUE_MAX)
        assert put.blob.startswith("blob:")
        result = await calling.result("kv_get", {"path": "/shared/x"})
        # As every long result: its beginning, and where the whole is read.
        assert "[cut:" in result.content
        await calling.call("kv_set", {"path": "/shared/y", "value": "x" * 5_000})
        found = await calling.call("kv_get", {"path": "/shared/y"})
        assert found["value"] == "x" * 5_000
        refusal = await calling.refused("kv_set", {"path": "/shared/x", "value": long + "x"})
        assert refusal["code"] == "store_full"
        assert "at most 262144" in refusal["message"]

    leading(tmp_path, deed)


@pytest.mark.parametrize(
    ("tool", "args", "said"),
    [
        ("kv_set", {"path": "/ref/spec", "value": 1}, "/ref/ is written by the lead alone"),
        ("kv_cas", {"path": "/peer/W2/x", "expected_version": 0, "value": 1}, "that actor alone"),
        ("kv_get", {"path": "/peer/W2/x"}, "only it and its lead read it"),
        ("kv_wait", {"path": "/peer/root/x"}, "only it and its lead read it"),
        ("kv_get", {"path": "/leases/x"}, "/leases/ is not read or written"),
        ("kv_set", {"path": "/leases/x", "value": 1}, "/leases/ is not read or written"),
        ("kv_list", {"prefix": "/leases/"}, "/leases/ is not read or written"),
        ("kv_list", {"glob": "/leases/*"}, "/leases/ is not read or written"),
    ],
)
def test_breaking_a_law_is_a_refusal_that_names_it(
    tmp_path: Path, tool: str, args: Any, said: str
) -> None:
    async def deed(calling: Calling) -> None:
        worker = await calling.spawn()
        await calling.spawn()
        refusal = (await work(calling, worker, tool, args))["error"]
        assert refusal["code"] == DENIED
        assert said in refusal["message"]
        assert refusal["next"]

    leading(tmp_path, deed)


def test_a_workers_own_entries_are_read_by_it_and_its_lead_alone(tmp_path: Path) -> None:
    async def deed(calling: Calling) -> None:
        one, two = await calling.spawn(), await calling.spawn()
        put = await work(calling, one, "kv_set", {"path": "/peer/self/status", "value": "half"})
        assert put == {"path": "/peer/W1/status", "version": 1}
        for path in ("/peer/W1/status", "/peer/root/W1/status"):
            assert (await calling.call("kv_get", {"path": path}))["value"] == "half"
            assert (await work(calling, two, "kv_get", {"path": path}))["error"]["code"] == DENIED

    leading(tmp_path, deed)


# Compare and swap


def test_a_lost_compare_is_an_answer_with_what_is_there(tmp_path: Path) -> None:
    async def deed(calling: Calling) -> None:
        path = {"path": "/shared/n"}
        first = await calling.call("kv_cas", path | {"expected_version": 0, "value": 1})
        assert first == {"path": "/shared/n", "swapped": True, "version": 1}
        lost = await calling.call("kv_cas", path | {"expected_version": 0, "value": 7})
        assert lost == {"path": "/shared/n", "swapped": False, "version": 1, "value": 1}
        none = await calling.call(
            "kv_cas", {"path": "/shared/m", "expected_version": 3, "value": 1}
        )
        assert none == {"path": "/shared/m", "swapped": False, "version": 0}

    leading(tmp_path, deed)


def test_a_call_that_is_repeated_gives_the_answer_of_the_first(tmp_path: Path) -> None:
    async def deed(calling: Calling) -> None:
        await calling.turn(ROOT, asks=("t1",))
        args = {"path": "/shared/n", "expected_version": 0, "value": 1}
        first = await calling.call("kv_cas", args, call="t1")
        other = await calling.call("kv_set", {"path": "/shared/n", "value": 2})
        assert other["version"] == 2
        assert await calling.call("kv_cas", args, call="t1") == first
        assert (await calling.call("kv_get", {"path": "/shared/n"}))["value"] == 2

    leading(tmp_path, deed)


def test_many_who_count_at_once_lose_no_count(tmp_path: Path) -> None:
    async def deed(calling: Calling) -> None:
        workers = [await calling.spawn() for _ in range(4)]

        async def count(worker: str) -> None:
            for _ in range(10):
                while True:
                    found = await work(calling, worker, "kv_get", {"path": "/shared/n"})
                    args = {
                        "path": "/shared/n",
                        "expected_version": found.get("version", 0),
                        "value": found.get("value", 0) + 1,
                    }
                    if (await work(calling, worker, "kv_cas", args))["swapped"]:
                        break

        await asyncio.gather(*map(count, workers))
        found = await calling.call("kv_get", {"path": "/shared/n"})
        assert (found["value"], found["version"]) == (40, 40)

    leading(tmp_path, deed)


# Lists


def test_a_list_shows_what_its_caller_may_read_in_order(tmp_path: Path) -> None:
    async def deed(calling: Calling) -> None:
        one, two = await calling.spawn(), await calling.spawn()
        await calling.call("kv_set", {"path": "/ref/spec", "value": "read me"})
        await calling.call("kv_set", {"path": "/peer/self/plan", "value": 1})
        for worker in (two, one):
            await work(calling, worker, "kv_set", {"path": "/peer/self/status", "value": 1})
        await work(calling, one, "kv_set", {"path": "/shared/a", "value": 1})

        async def paths(worker: str = "", **args: str) -> list[str]:
            if worker:
                found = await work(calling, worker, "kv_list", args)
            else:
                found = await calling.call("kv_list", args)
            return [each["path"] for each in found["entries"]]

        everything = ["/peer/W1/status", "/peer/W2/status", "/peer/root/plan", "/ref/spec"]
        assert await paths() == [*everything, "/shared/a"]
        assert await paths(one) == ["/peer/W1/status", "/ref/spec", "/shared/a"]
        assert await paths(one, prefix="/peer/self/") == ["/peer/W1/status"]
        assert await paths(prefix="/peer/root/W2/") == ["/peer/W2/status"]
        assert await paths(glob="/peer/*/status") == everything[:2]
        assert await paths(two, glob="/peer/*/status") == ["/peer/W2/status"]
        assert await paths(glob="/**/s*") == [*everything[:2], "/ref/spec"]
        [spec] = (await calling.call("kv_list", {"prefix": "/ref"}))["entries"]
        assert spec == {"path": "/ref/spec", "version": 1, "size": 9, "writer": "root"}

    leading(tmp_path, deed)


@pytest.mark.slow
def test_ten_thousand_entries_are_listed_a_thousand_at_a_time(tmp_path: Path) -> None:
    async def deed(calling: Calling) -> None:
        command = calling.engine.submit
        await asyncio.gather(
            *(
                command(c.PutEntry(ROOT, calling.caller().call_id, f"/shared/{n:05}", "1"))
                for n in range(kv.ENTRIES_MAX)
            )
        )
        everything = listed(calling.engine.run, ROOT, KvList())
        assert (len(everything.entries), everything.more) == (LISTED_MAX, True)
        some = listed(calling.engine.run, ROOT, KvList("/shared/00"))
        assert (len(some.entries), some.more) == (LISTED_MAX, False)
        found = await calling.call("kv_list", {"prefix": "/shared/000"})
        assert len(found["entries"]) == 100
        # What would take for ever where each star is tried at each place.
        slow = {"glob": "/**/" + "*?" * 200 + "z"}
        assert (await calling.call("kv_list", slow))["entries"] == []
        refusal = await calling.refused("kv_set", {"path": "/shared/more", "value": 1})
        assert refusal["code"] == "store_full"

    leading(tmp_path, deed)


@pytest.mark.parametrize(
    ("path", "pattern", "fits"),
    [
        ("/a/b", "/a/b", True),
        ("/a/b", "/a/*", True),
        ("/a/b/c", "/a/*", False),
        ("/a/b/c", "/a/**", True),
        ("/a", "/a/**", True),
        ("/a/b/c", "/**/c", True),
        ("/a/b/c", "/**/b", False),
        ("/a/b/c", "**", True),
        ("/a/b/c/d/e", "/a/**/c/**/e", True),
        ("/a/b/c/d/e", "/a/**/d/*/e", False),
        ("/a/bc", "/a/b?", True),
        ("/a/bc", "/a/[!b]?", False),
    ],
)
def test_a_pattern_fits_whole_paths_name_by_name(path: str, pattern: str, fits: bool) -> None:
    assert matches(path.split("/"), pattern.split("/")) is fits


# Waiting


def test_a_wait_brings_the_entry_as_soon_as_it_is_there(tmp_path: Path) -> None:
    async def deed(calling: Calling) -> None:
        worker = await calling.spawn()
        waiting = asyncio.create_task(calling.call("kv_wait", {"path": "/shared/x"}))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await work(calling, worker, "kv_set", {"path": "/shared/x", "value": [1]})
        assert await asyncio.wait_for(waiting, 5) == {
            "settled": True, "path": "/shared/x", "value": [1], "version": 1, "writer": worker,
        }  # fmt: skip
        later = {"path": "/shared/x", "min_version": 2}
        waiting = asyncio.create_task(calling.call("kv_wait", later))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await calling.call("kv_set", {"path": "/shared/x", "value": 2})
        assert (await asyncio.wait_for(waiting, 5))["version"] == 2

    leading(tmp_path, deed)


def test_a_write_wakes_who_watches_its_place_and_nobody_else(tmp_path: Path) -> None:
    async def deed(calling: Calling) -> None:
        watching = calling.engine.watching
        with watching("root/shared/x") as there, watching("root", "root/shared/y") as elsewhere:
            await calling.call("kv_set", {"path": "/shared/x", "value": 1})
            await asyncio.sleep(0)
            assert (there.is_set(), elsewhere.is_set()) == (True, False)

    leading(tmp_path, deed)


def test_a_wait_whose_time_is_up_says_how_to_go_on(tmp_path: Path) -> None:
    async def deed(calling: Calling) -> None:
        found = await calling.call("kv_wait", {"path": "/shared/x", "timeout_secs": 0})
        assert found == {
            "settled": False,
            "path": "/shared/x",
            "why": "the time of this wait ran out",
            "next": "Call again to go on waiting, or go on without it.",
        }

    leading(tmp_path, deed)


def test_a_wait_ends_when_the_last_who_could_write_has_settled(tmp_path: Path) -> None:
    async def deed(calling: Calling) -> None:
        worker = await calling.spawn()
        waiting = asyncio.create_task(calling.call("kv_wait", {"path": "/shared/x"}))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await calling.settle(worker, outcome="failed")
        found = await asyncio.wait_for(waiting, 5)
        assert not found["settled"]
        assert "your workers have settled" in found["why"]

    leading(tmp_path, deed)


def test_a_wait_ends_when_the_caller_has_mail(tmp_path: Path) -> None:
    async def deed(calling: Calling) -> None:
        waiting = asyncio.create_task(calling.call("kv_wait", {"path": "/shared/x"}))
        await asyncio.sleep(0.01)
        await calling.engine.submit(c.DrainRun())
        found = await asyncio.wait_for(waiting, 5)
        assert not found["settled"]
        assert "message for you" in found["why"]

    leading(tmp_path, deed)
