import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT
from leadhand.engine.conductor import Conductor
from tests.tools.lead_kit import Calling, leading

X = {"name": "x", "ttl_secs": 60}


async def work(calling: Calling, worker: str, tool: str, args: Any, call: str = "") -> Any:
    """What a tool call of a worker gives, well or not."""
    result = await calling.result(tool, args, actor=worker, role="worker", call=call)
    return msgspec.json.decode(result.content)


async def grants(calling: Calling) -> None:
    """What `due` has granted, as the conductor does."""
    for key in [*calling.engine.run.vacant]:
        await calling.engine.submit(c.GrantLease(key))


def test_a_lease_is_acquired_with_a_fence_and_contention_names_the_holder(tmp_path: Path) -> None:
    async def deed(calling: Calling) -> None:
        worker = await calling.spawn()
        assert await calling.call("lease_acquire", X) == {
            "name": "x", "acquired": True, "expires_in_secs": 60, "fence": 1,
        }  # fmt: skip
        lost = await work(calling, worker, "lease_acquire", X)
        assert (lost["acquired"], lost["holder"]) == (False, "root")
        assert 0 < lost["expires_in_secs"] <= 60
        assert "wait_secs" in lost["next"]
        freed = await calling.call("lease_release", {"name": "x"})
        assert freed == {"name": "x", "released": True, "fence": 1}
        again = await work(calling, worker, "lease_acquire", X)
        assert again["fence"] == 2

    leading(tmp_path, deed)


def test_a_lease_of_the_run_is_not_that_of_the_layer(tmp_path: Path) -> None:
    async def deed(calling: Calling) -> None:
        worker = await calling.spawn()
        assert (await calling.call("lease_acquire", X))["acquired"]
        assert (await work(calling, worker, "run_lease_acquire", X))["acquired"]
        lost = await calling.call("run_lease_acquire", X)
        assert (lost["acquired"], lost["holder"]) == (False, worker)
        freed = await work(calling, worker, "run_lease_release", {"lease_id": "x"})
        assert freed["released"]

    leading(tmp_path, deed)


def test_who_waits_gets_it_when_it_is_released(tmp_path: Path) -> None:
    async def deed(calling: Calling) -> None:
        worker = await calling.spawn()
        await calling.call("lease_acquire", X)
        waiting = asyncio.create_task(work(calling, worker, "lease_acquire", X | {"wait_secs": 30}))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await calling.call("lease_release", {"name": "x"})
        await grants(calling)
        found = await asyncio.wait_for(waiting, 5)
        assert (found["acquired"], found["fence"]) == (True, 2)

    leading(tmp_path, deed)


def test_a_wait_that_ends_early_leaves_the_queue(tmp_path: Path) -> None:
    async def deed(calling: Calling) -> None:
        worker = await calling.spawn()
        await work(calling, worker, "lease_acquire", X)
        waiting = asyncio.create_task(calling.call("lease_acquire", X | {"wait_secs": 30}))
        await asyncio.sleep(0.01)
        await calling.engine.submit(c.DrainRun())
        found = await asyncio.wait_for(waiting, 5)
        assert (found["acquired"], found["holder"]) == (False, worker)
        assert "message for you" in found["why"]
        await work(calling, worker, "lease_release", {"name": "x"})
        assert not calling.engine.run.vacant
        assert calling.engine.run.leases["root|x"].holder == ""

    leading(tmp_path, deed)


def test_one_that_was_granted_it_as_its_wait_ended_is_told_so(tmp_path: Path) -> None:
    async def deed(calling: Calling) -> None:
        worker = await calling.spawn()
        await work(calling, worker, "lease_acquire", X)
        waiting = asyncio.create_task(calling.call("lease_acquire", X | {"wait_secs": 30}))
        await asyncio.sleep(0.01)
        drained = asyncio.create_task(calling.engine.submit(c.DrainRun()))
        released = asyncio.create_task(work(calling, worker, "lease_release", {"name": "x"}))
        await asyncio.gather(drained, released)
        await grants(calling)
        found = await asyncio.wait_for(waiting, 5)
        holds = calling.engine.run.leases["root|x"].holder == ROOT
        assert found["acquired"] is holds

    leading(tmp_path, deed)


def test_a_call_that_is_repeated_gives_the_answer_of_the_first(tmp_path: Path) -> None:
    async def deed(calling: Calling) -> None:
        worker = await calling.spawn()
        await calling.turn(ROOT, asks=("t1", "t2"))
        first = await calling.call("lease_acquire", X, call="t1")
        again = await calling.call("lease_acquire", X, call="t1")
        assert (again["acquired"], again["fence"]) == (True, first["fence"])
        freed = await calling.call("lease_release", {"name": "x"}, call="t2")
        await work(calling, worker, "lease_acquire", X)
        assert await calling.call("lease_release", {"name": "x"}, call="t2") == freed
        assert len([each for each in await calling.log() if isinstance(each, e.LeaseGranted)]) == 2

    leading(tmp_path, deed)


def test_releasing_what_another_holds_is_refused(tmp_path: Path) -> None:
    async def deed(calling: Calling) -> None:
        worker = await calling.spawn()
        await calling.call("lease_acquire", X)
        refusal = (await work(calling, worker, "lease_release", {"name": "x"}))["error"]
        assert refusal["code"] == "not_holder"
        assert refusal["message"] == "you do not hold x; root does"
        assert refusal["next"]
        nameless = await calling.refused("lease_release", {})
        assert nameless["code"] == "invalid_arguments"

    leading(tmp_path, deed)


def test_hostile_arguments_are_refused(tmp_path: Path) -> None:
    async def deed(calling: Calling) -> None:
        for args in (
            X | {"name": "a\x1b[31m"},
            X | {"name": "x" * 10_000},
            X | {"ttl_secs": 0},
            X | {"ttl_secs": 86_401},
            X | {"ttl_secs": "60"},
            X | {"wait_secs": -1},
        ):
            refusal = await calling.refused("lease_acquire", args)
            assert refusal["code"] == "invalid_arguments"
            assert len(refusal["message"]) < 500
        assert calling.engine.run.leases == {}

    leading(tmp_path, deed)


@pytest.mark.slow
def test_the_conductor_expires_and_grants_by_itself(tmp_path: Path) -> None:
    async def deed(calling: Calling) -> None:
        worker = await calling.spawn()
        engine = calling.engine

        async def session(actor: str) -> None:
            if actor == worker:
                await asyncio.sleep(30)
                return
            held = await work(calling, worker, "lease_acquire", {"name": "x", "ttl_secs": 1})
            assert held["acquired"]
            found = await calling.call("lease_acquire", X | {"wait_secs": 20})
            assert (found["acquired"], found["fence"]) == (True, 2)
            done.set()
            await asyncio.sleep(30)

        done = asyncio.Event()
        conductor = Conductor(engine, session)
        running = asyncio.create_task(conductor.run())
        await asyncio.wait_for(done.wait(), 10)
        kinds = [type(each).__name__ for each in await calling.log()]
        assert kinds.index("LeaseExpired") < len(kinds) - 1 - kinds[::-1].index("LeaseGranted")
        conductor.suspend()
        await running

    leading(tmp_path, deed)
