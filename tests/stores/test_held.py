"""What every store promises of a look at who owns a run, and what the look may not disturb."""

import asyncio
import stat
from pathlib import Path

import pytest

from leadhand.errors import StoreError
from leadhand.store import Owned, Store
from tests.stores.kit import OpenSqlite, StartChild, begin, closed_run, in_loop

HOLD = """
async def main():
    await store.own("run", "dispatch of bob")
    say("held")
    hear()
"""


@in_loop
async def test_who_owns_a_run_is_seen_by_everybody(store: Store, other: Store) -> None:
    await store.create("run", "")
    assert await other.held("run") == ""
    await store.own("run", "dispatch of ann")
    for looker in (store, other):
        assert "dispatch of ann" in await looker.held("run")
    await store.release("run")
    assert await other.held("run") == ""
    await store.own("run", "dispatch of cleo")
    await store.close()
    assert await other.held("run") == ""


@pytest.mark.parametrize("run", ["none", "..", "Run"])
@in_loop
async def test_looking_at_a_run_that_is_not_there_is_refused(store: Store, run: str) -> None:
    await store.create("run", "")
    with pytest.raises(StoreError):
        await store.held(run)


@in_loop
async def test_looking_takes_nothing_from_an_owner(store: Store, other: Store) -> None:
    epoch = await begin(store)
    await asyncio.gather(*[other.held("run") for _ in range(20)])
    await store.append("run", epoch, 0, [], {}, b"head")
    assert await other.head("run") == b"head"


@in_loop
async def test_looking_makes_no_file(open_sqlite: OpenSqlite, run_dir: Path) -> None:
    store = open_sqlite()
    await store.create("run", "")
    before = sorted(run_dir.rglob("*"))
    assert await store.held("run") == ""
    assert sorted(run_dir.rglob("*")) == before


@pytest.mark.slow
@in_loop
async def test_the_death_of_an_owner_is_seen(
    open_sqlite: OpenSqlite, run_dir: Path, child: StartChild
) -> None:
    store = open_sqlite()
    await closed_run(run_dir)
    owner = child(run_dir, HOLD)
    assert owner.hear() == "held"
    assert f"dispatch of bob, process {owner.process.pid}" in await store.held("run")
    owner.kill()
    assert (run_dir / "run" / "owner.lock").stat().st_size > 0
    assert await store.held("run") == ""


@pytest.mark.slow
@in_loop
async def test_lookers_keep_nobody_from_owning_what_a_dead_owner_left(
    open_sqlite: OpenSqlite, run_dir: Path, child: StartChild
) -> None:
    store, looker = open_sqlite(), open_sqlite()
    await closed_run(run_dir)
    lock = run_dir / "run" / "owner.lock"
    looking = True

    async def look() -> None:
        while looking:
            await looker.held("run")

    lookers = [asyncio.create_task(look()) for _ in range(3)]
    for _ in range(50):
        # As a killed owner leaves it: a name, and no lock.
        lock.write_text("dispatch of bob, process 1\n")
        assert isinstance(await store.own("run", "ann"), Owned)
        await store.release("run")
    looking = False
    await asyncio.gather(*lookers)
    assert stat.S_IMODE(lock.stat().st_mode) == 0o600
