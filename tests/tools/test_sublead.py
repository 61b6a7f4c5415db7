"""Sublead: what a lead is told of the lead it starts, and what each may see and steer."""

from pathlib import Path
from typing import Any

import pytest

from leadhand.domain import events as e
from leadhand.domain.manifest import Settings, Subleads
from tests.rules.world import manifest
from tests.tools.lead_kit import Calling, leading

ALLOWED = Subleads(max_depth=3)
PHASE = {"prompt": "Lead a phase.", "budget_usd": 1.0, "max_workers": 2}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the lead works."""
    (tmp_path / "work" / "inner").mkdir(parents=True)
    return tmp_path / "work"


def run(root: Path, deed: Any, within: Subleads | None = ALLOWED) -> None:
    lead = Settings(directory=str(root))
    leading(root, deed, asked=manifest(subleads=within, lead=lead, budget_nanousd=10**10))


def test_a_sub_lead_is_told_of_with_all_that_it_was_given(root: Path) -> None:
    async def deed(at: Calling) -> None:
        found = await at.call("spawn_sublead", PHASE | {"label": "one", "lead_timeout_secs": 60})
        left = found.pop("remaining")
        assert found == {
            "sublead_id": "root/S1",
            "session": "a-run/root/S1",
            "workspace": str(root),
            "output_file": str(at.folder.transcript(found["sublead_id"])),
            "budget_usd": 1.0,
            "max_workers": 2,
            "lead_timeout_secs": 60,
        }
        assert 8.9 < left["budget_usd"] <= 9
        assert left["workers"] == 4

    run(root, deed)


def test_the_same_call_or_key_gives_the_same_sub_lead(root: Path) -> None:
    async def deed(at: Calling) -> None:
        first = await at.call("spawn_sublead", PHASE, call="one")
        again = await at.call("spawn_sublead", PHASE, call="one")
        assert (first["sublead_id"], again["sublead_id"], again["already"]) == (
            "root/S1", "root/S1", True,
        )  # fmt: skip
        keyed = await at.call("spawn_sublead", PHASE | {"key": "k"})
        await at.settle("root/S2")
        late = await at.call("spawn_sublead", PHASE | {"key": "k"})
        assert (keyed["sublead_id"], late["sublead_id"], late["already"]) == (
            "root/S2", "root/S2", True,
        )  # fmt: skip

    run(root, deed)


def test_its_directory_is_inside_its_leads(root: Path) -> None:
    async def deed(at: Calling) -> None:
        found = await at.call("spawn_sublead", PHASE | {"directory": "inner"})
        assert found["workspace"] == str(root / "inner")
        for outside in ("..", "/etc", "../added/../.."):
            refused = await at.refused("spawn_sublead", PHASE | {"directory": outside})
            assert refused["code"] == "outside_workspace"
        missing = await at.refused("spawn_sublead", PHASE | {"directory": "gone"})
        assert "is not a directory" in missing["message"]

    run(root, deed)


def test_the_operators_directory_for_sub_leads_is_the_default(root: Path) -> None:
    async def deed(at: Calling) -> None:
        found = await at.call("spawn_sublead", PHASE)
        assert found["workspace"] == str(root / "inner")

    run(root, deed, Subleads(settings=Settings(directory=str(root / "inner"))))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"prompt": ""}, "$.prompt"),
        ({"budget_usd": 0}, "$.budget_usd"),
        ({"budget_usd": 1e300}, "budget_usd"),
        ({"max_workers": 0}, "$.max_workers"),
        ({"max_workers": 1001}, "$.max_workers"),
        ({"lead_timeout_secs": 0}, "$.lead_timeout_secs"),
        ({"env": {"A": 1}}, "$.env"),
        ({"env": {"LD_PRELOAD": "x"}}, "LD_PRELOAD"),
        ({"env": {"KEY": "${LEADHAND_SECRET}"}}, "the operator's"),
        ({"initial": 1}, "initial"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_by_name(
    root: Path, args: dict[str, Any], words: str
) -> None:
    async def deed(at: Calling) -> None:
        refused = await at.refused("spawn_sublead", PHASE | args)
        assert refused["code"] == "invalid_arguments"
        assert words in refused["message"]
        assert len(at.engine.run.actors) == 1

    run(root, deed)


def test_without_leave_of_the_manifest_the_refusal_names_the_key(root: Path) -> None:
    async def deed(at: Calling) -> None:
        refused = await at.refused("spawn_sublead", PHASE)
        assert refused["code"] == "tool_not_allowed"
        assert "allow_subleads = true" in refused["next"]

    run(root, deed, None)


def test_a_worker_has_no_such_tool(root: Path) -> None:
    async def deed(at: Calling) -> None:
        worker = await at.spawn()
        refused = await at.refused("spawn_sublead", PHASE, actor=worker, role="worker")
        assert refused["code"] == "unknown_tool"

    run(root, deed)


async def family(at: Calling, **given: Any) -> None:
    """A worker and two sub-leads; the first has a worker and a sub-lead, which has a worker."""
    await at.call("spawn_worker", {"prompt": "p", "label": "mine"})
    await at.call("spawn_sublead", PHASE | given)
    await at.call("spawn_sublead", PHASE)
    await at.call("spawn_worker", {"prompt": "p", "label": "deep"}, actor="root/S1")
    inner = {"prompt": "p", "budget_usd": 0.4, "max_workers": 1}
    await at.call("spawn_sublead", inner, actor="root/S1")
    await at.call("spawn_worker", {"prompt": "p"}, actor="root/S1/S1")


OWN = {
    "root": ["root/W1", "root/S1", "root/S2"],
    "root/S1": ["root/S1/W1", "root/S1/S1"],
    "root/S2": [],
    "root/S1/S1": ["root/S1/S1/W1"],
}


@pytest.mark.parametrize("read_down", [False, True])
def test_each_lead_lists_and_steers_its_own_and_reads_down_only_where_it_may(
    root: Path, read_down: bool
) -> None:
    more = {"root": ["root/S1/W1", "root/S1/S1"]} if read_down else {}

    async def deed(at: Calling) -> None:
        await family(at, read_down=read_down)
        everyone = [*at.engine.run.actors]
        for caller, own in OWN.items():
            seen = {*own, *more.get(caller, [])}
            found = await at.call("list_workers", actor=caller)
            assert {each["worker_id"] for each in found["workers"]} == seen
            for other in everyone:
                who: dict[str, Any] = {"actor": caller, "role": "sublead"}
                status = await at.result("worker_status", {"actor_id": other}, **who)
                assert status.is_error == (other not in {caller, *seen}), (caller, other)
                if other not in {caller, *own}:
                    for tool in ("wait_actor", "cancel_worker"):
                        refused = await at.refused(tool, {"actor_id": other}, **who)
                        assert refused["code"] == "unknown_actor"
        assert all(each.ending is None for each in at.engine.run.actors.values())

    run(root, deed)


def test_a_sub_lead_is_shown_with_its_role_its_cap_and_the_cost_of_all_below_it(
    root: Path,
) -> None:
    async def deed(at: Calling) -> None:
        await family(at)
        await at.turn("root/S1")
        await at.turn("root/S1/W1")
        await at.settle("root/S1/W1")
        seen = (await at.call("worker_status", {"actor_id": "S1"}))["worker"]
        assert (seen["role"], seen["max_workers"], seen["cost_usd"]) == ("sublead", 2, 2.4e-7)
        assert "role" not in (await at.call("worker_status", {"actor_id": "W1"}))["worker"]

    run(root, deed)


def test_the_house_rules_of_a_sub_lead_are_its_own(root: Path) -> None:
    async def deed(at: Calling) -> None:
        await family(at)
        await at.turn("root")
        await at.turn("root/S1/W1")
        found = await at.call("house_rules", actor="root/S1")
        assert (found["max_workers"], found["budget_usd"]) == (2, 1.0)
        assert found["spent_usd"] == 1.2e-7
        assert 3530 <= found["lead_timeout_secs"] <= 3540
        assert found["remaining"]["workers"] == 1
        assert (await at.call("house_rules"))["max_workers"] == 4

    run(root, deed)


def test_the_last_message_of_a_sub_lead_comes_whole_to_who_waits_for_it(root: Path) -> None:
    async def deed(at: Calling) -> None:
        await family(at)
        await at.turn("root/S1/W1")
        await at.settle("root/S1", "all of it " * 1_500)
        found = await at.call("wait_actor", {"actor_id": "root/S1"})
        assert (found["settled"], found["status"], found["cost_usd"]) == (True, "Success", 1.2e-7)
        caller = at.caller()
        assert await caller.blobs.get(found["pointer"]) == ("all of it " * 1_500).encode()

    run(root, deed)


def test_what_is_spawned_is_durable_with_its_envelope_and_its_variables(root: Path) -> None:
    async def deed(at: Calling) -> None:
        await at.call("spawn_sublead", PHASE | {"env": {"PHASE": "one"}, "tools": ["Read"]})
        await at.call("spawn_worker", {"prompt": "p"}, actor="root/S1")
        spawned = [each for each in await at.log() if isinstance(each, e.ActorSpawned)]
        assert (spawned[1].envelope, spawned[1].settings.tools) == (10**9, ("Read",))
        assert spawned[1].settings.env == spawned[2].settings.env == {"PHASE": "one"}

    run(root, deed)


def test_what_a_lead_gives_a_sub_lead_is_in_its_own_store_when_it_begins(root: Path) -> None:
    given = {"plan": {"step": [1, None]}, "/ref/long": "x" * 9_000}

    async def deed(at: Calling) -> None:
        await at.call("spawn_sublead", PHASE | {"initial_ref": given})
        await at.call("spawn_worker", {"prompt": "p"}, actor="root/S1")
        for path, value in (("/ref/plan", given["plan"]), ("/ref/long", given["/ref/long"])):
            found = await at.call("kv_get", {"path": path}, actor="root/S1")
            assert (found["value"], found["version"], found["writer"]) == (value, 1, "root")
        worker: dict[str, Any] = {"actor": "root/S1/W1", "role": "worker"}
        read = await at.result("kv_get", {"path": "/ref/plan"}, **worker)
        assert not read.is_error
        denied = await at.refused("kv_set", {"path": "/ref/plan", "value": 1}, **worker)
        assert denied["code"] == "namespace_denied"
        assert not (await at.call("kv_get", {"path": "/ref/plan"}))["found"]
        await at.call("kv_set", {"path": "/ref/plan", "value": "mine"})
        found = await at.call("kv_get", {"path": "/ref/plan"}, actor="root/S1")
        assert found["value"] == given["plan"]

    run(root, deed)


def test_a_value_longer_than_the_store_takes_makes_no_sub_lead(root: Path) -> None:
    async def deed(at: Calling) -> None:
        args = PHASE | {"initial_ref": {"x": "x" * 300_000}}
        assert (await at.refused("spawn_sublead", args))["code"] == "store_full"
        assert [*at.engine.run.actors] == ["root"]

    run(root, deed)


@pytest.mark.parametrize("read_down", [False, True])
def test_a_lead_reads_in_the_store_of_a_sub_lead_only_where_it_may(
    root: Path, read_down: bool
) -> None:
    async def deed(at: Calling) -> None:
        await family(at, read_down=read_down)
        await at.call("kv_set", {"path": "/shared/x", "value": 7}, actor="root/S1")
        await at.call("kv_set", {"path": "/peer/self/x", "value": 8}, actor="root/S1")
        if not read_down:
            for tool, args in (("kv_get", {"path": "/shared/x"}), ("kv_list", {})):
                refused = await at.refused(tool, args | {"sublead": "S1"})
                assert refused["code"] == "namespace_denied"
                assert "read_down" in refused["message"]
        else:
            found = await at.call("kv_get", {"path": "/shared/x", "sublead": "S1"})
            assert (found["value"], found["writer"]) == (7, "root/S1")
            listed = await at.call("kv_list", {"sublead": "root/S1"})
            assert [each["path"] for each in listed["entries"]] == ["/peer/S1/x", "/shared/x"]
            inner = await at.refused("kv_list", {"sublead": "S1/S1"})
            assert inner["code"] == "namespace_denied"
        for caller, role in (("root/S2", "sublead"), ("root/W1", "worker")):
            who: dict[str, Any] = {"actor": caller, "role": role}
            args = {"path": "/shared/x", "sublead": "root/S1"}
            assert (await at.refused("kv_get", args, **who))["code"] == "unknown_actor"

    run(root, deed)
