"""Standing: what `list` and `status` make of a head and of who holds the run."""

import pytest

from leadhand.api.standing import of, standings
from leadhand.domain import commands as c
from leadhand.stores.memory import MemoryStore
from leadhand.views.head import Head, head, head_of
from tests.rules.world import REPORT
from tests.stores.kit import begin, event, in_loop
from tests.views.kit import world

PARTIAL = REPORT.replace("success", "partial")


@pytest.mark.parametrize(
    ("status", "held", "shown"),
    [
        ("", "", "empty"),
        ("", "ann", "empty"),
        ("running", "ann", "running"),
        ("running", "", "interrupted"),
        ("succeeded", "", "succeeded"),
        ("partial", "ann", "partial"),
    ],
)
def test_a_run_under_way_without_an_owner_is_interrupted(
    status: str, held: str, shown: str
) -> None:
    assert of("run", Head(status=status), held).status == shown


def test_what_was_interrupted_or_drained_is_resumable() -> None:
    run = world()
    run.turn()
    assert not of("run", head_of(run.run), "ann").resumable
    assert of("run", head_of(run.run), "").resumable
    run.do(c.DrainRun())
    assert of("run", head_of(run.run), "ann").draining
    run.exit(final=PARTIAL)
    run.perform()
    found = of("run", head_of(run.run), "")
    assert (found.status, found.draining, found.resumable) == ("partial", False, True)


def test_what_was_cancelled_or_succeeded_in_a_drain_is_not() -> None:
    run = world()
    run.settled()
    run.do(c.DrainRun())
    run.exit(final=REPORT)
    run.perform()
    found = of("run", head_of(run.run), "")
    assert (found.status, found.resumable) == ("succeeded", False)
    run = world()
    run.do(c.DrainRun())
    run.do(c.CancelRun("enough"))
    run.perform(alive=[])
    found = of("run", head_of(run.run), "")
    assert (found.status, found.resumable, found.cancelled) == ("cancelled", False, True)


@in_loop
async def test_a_run_that_cannot_be_read_says_why_and_the_others_are_told() -> None:
    store = MemoryStore()
    for run, row in (("a", head(world().run)), ("b", b"\xff"), ("c", b'{"status":7}')):
        epoch = await begin(store, run=run)
        await store.append(run, epoch, 0, [event(1)], {}, row)
    found = await standings(store, ["a", "b", "c", "d"])
    assert [each.status for each in found] == ["running", *["unreadable"] * 3]
    assert "its head cannot be read" in found[1].error
    assert "no run d" in found[3].error
    await store.release("a")
    assert [each.status for each in await standings(store, ["a"])] == ["interrupted"]
