"""Contract tools: what a lead demands of a worker, and how it sees what was found."""

from pathlib import Path
from typing import Any

import pytest

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.contract import Contract, Delivery, Evidence, Said
from leadhand.domain.ids import ActorId, CallId
from tests.tools.lead_kit import Calling, leading

HELD = Evidence("files", "a.md", ok=True)
BROKEN = Evidence("files", "b.md", ok=False, detail="is not there")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the lead works."""
    folder = tmp_path / "repo"
    folder.mkdir()
    return folder


async def ended(
    lead: Calling, *found: Evidence, status: Said = "completed", returns: str = ""
) -> str:
    """A worker that has reported and was checked."""
    worker = await lead.spawn(files=["a.md"])
    await lead.turn(worker)
    said = Delivery(status, "So it is.", follow_ups=("read it",), returns=returns)
    await lead.engine.submit(c.RecordOutcome(ActorId(worker), CallId(f"r-{worker}"), said))
    await lead.settle(worker, "So it is.")
    if found:
        assert (await lead.call("list_workers"))["workers"][-1]["state"] == "checking"
        await lead.engine.submit(c.RecordChecks(ActorId(worker), found, "So it is."))
    return worker


def test_a_spawn_takes_every_key_of_a_contract(root: Path) -> None:
    args: dict[str, Any] = {
        "returns": {"type": "integer"},
        "files": ["a.md"],
        "changed": ["b.md"],
        "commands": ["make test"],
        "command_timeout_secs": 7,
        "forbid": ["TODO"],
        "writes": ["src/**"],
        "tools": ["Write"],
    }

    async def deed(lead: Calling) -> Contract:
        await lead.spawn(**args)
        return next(
            each.contract
            for each in await lead.log()
            if isinstance(each, e.ActorSpawned) and each.key
        )

    assert leading(root, deed) == Contract(
        '{"type":"integer"}', ("a.md",), ("b.md",), ("make test",), 7, ("TODO",), ("src/**",)
    )


def test_a_spawn_without_a_contract_leaves_none_in_the_log(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        await lead.spawn()
        assert b'"contract"' not in b"".join(row.data for row in await rows(lead))

    leading(root, deed)


async def rows(lead: Calling) -> list[Any]:
    """The log as it is stored."""
    await lead.engine.flush()
    return list(await lead.store.read("a-run", 0))


def test_a_contract_that_cannot_be_checked_is_refused(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        refusal = await lead.refused("spawn_worker", {"prompt": "x", "files": ["../x"]})
        assert refusal["message"] == "files[0]: must stay inside the directory of the worker"
        refusal = await lead.refused("spawn_worker", {"prompt": "x", "writes": ["src/**"]})
        assert "git worktree of its own" in refusal["message"]
        assert "without Bash" in refusal["next"]

    leading(root, deed)


def test_claims_of_live_workers_do_not_overlap(root: Path) -> None:
    claim = {"prompt": "x", "tools": ["Write"]}

    async def deed(lead: Calling) -> None:
        first = await lead.spawn(**claim, writes=["src/**"])
        refusal = await lead.refused("spawn_worker", {**claim, "writes": ["**/a.py"]})
        assert refusal["code"] == "write_claim_overlaps"
        assert first in refusal["message"]
        await lead.spawn(**claim, writes=["doc/**"])

    leading(root, deed)


def test_a_wait_brings_the_verdict_what_fails_and_the_value(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        good = await ended(lead, HELD, returns='{"n":3}')
        found = await lead.call("wait_actor", {"worker_id": good})
        assert (found["status"], found["outcome"], found["reported"]) == (
            *("Success", "verified", "completed"),
        )
        assert (found["returns"], found["follow_ups"]) == ({"n": 3}, ["read it"])
        assert "failing" not in found
        bad = await ended(lead, HELD, BROKEN)
        found = await lead.call("wait_actor", {"worker_id": bad})
        assert (found["status"], found["outcome"]) == ("Failed", "refuted")
        assert found["failing"] == ["files b.md: is not there"]
        assert found["error"] == "refuted: files b.md: is not there"

    leading(root, deed)


def test_a_long_value_is_read_in_pages(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        worker = await ended(lead, HELD, returns=f'"{"x" * 50_000}"')
        found = await lead.call("wait_actor", {"worker_id": worker})
        assert found["returns"]["cut"].startswith('the whole is at "blob:')

    leading(root, deed)


def test_the_list_shows_what_the_checks_came_to(root: Path) -> None:
    async def deed(lead: Calling) -> None:
        await ended(lead, HELD)
        await ended(lead, BROKEN)
        await ended(lead, status="partial")
        listed = (await lead.call("list_workers"))["workers"]
        assert [each["outcome"] for each in listed] == ["verified", "refuted", "unverified"]

    leading(root, deed)
