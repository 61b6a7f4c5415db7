"""Briefing: what a lead and a worker are told before their prompt."""

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from leadhand.briefing import briefing
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.manifest import HouseRules, Settings
from leadhand.domain.state import Workspace
from leadhand.tool import Role
from leadhand.tools.store import store_tools
from leadhand.tools.work.table import WORK_TOOLS

HOUSE = HouseRules(max_workers=3, budget_nanousd=1_500_000_000, lead_timeout_secs=90)
SETTINGS = Settings(directory="/work", add_dirs=("/more",), system="Speak plainly.")


def told(role: Role, actor: str = ROOT) -> str:
    """The briefing of a role."""
    spawned = e.ActorSpawned(ActorId(actor), role=role, settings=SETTINGS)
    return briefing(spawned, HOUSE, list(WORK_TOOLS))


def test_a_lead_is_told_to_coordinate_and_not_to_do_the_work() -> None:
    assert "Your job is to coordinate, not to do the work yourself" in told("lead")


def test_a_lead_is_told_its_house_rules() -> None:
    text = told("lead")
    assert "at most 3 workers at a time, 1000 in all" in text
    assert "at most $1.50 for everything" in text
    assert "at most 90 seconds for you" in text


def test_a_lead_is_told_the_four_sections_of_the_report() -> None:
    text = told("lead")
    places = [
        text.index(name)
        for name in ("1. STATUS", "2. COMPLETED", "3. DEFERRED OR FAILED", "4. COST SUMMARY")
    ]
    assert places == sorted(places)


def test_both_are_told_their_tools_places_and_the_manifests_own_words() -> None:
    for text in (told("lead"), told("worker", "root/W1")):
        assert "Your tools: Read, Write, Edit, Bash, Git, Glob, Grep." in text
        assert "You work in /work" in text
        assert "/more" in text
        assert text.endswith("Speak plainly.")


def test_a_worker_is_told_nothing_of_leading() -> None:
    text = told("worker", "root/W1")
    assert "coordinate" not in text
    assert "STATUS" not in text
    assert "Your last message is your result" in text


def test_each_is_told_what_it_shares_with_whom_where_it_has_the_tools() -> None:
    nobody: Any = None
    heard = {}
    for role, actor in (("lead", ROOT), ("sublead", "root/S1"), ("worker", "root/W1")):
        spawned = e.ActorSpawned(ActorId(actor), role=role, settings=SETTINGS)  # type: ignore[arg-type]
        heard[role] = briefing(spawned, HOUSE, store_tools(nobody))
        assert "kv_set" not in briefing(spawned, HOUSE, [])
    assert heard["lead"].count("You share a store with your workers") == 1
    assert "You share a store with your workers" in heard["sublead"]
    assert "/ref/... (only you write, all read)" in heard["lead"]
    assert "with your lead and its other workers" in heard["worker"]
    assert "/ref/... (only your lead writes)" in heard["worker"]
    assert "/peer/self/... (only you and your lead read)" in heard["worker"]


def test_who_has_a_worktree_is_told_where_it_is_and_what_it_lacks() -> None:
    own = Workspace("/repo", "leadhand/r/root", base="0123456789abc")
    root = Path("/runs/r/worktrees/root")
    own.notes = ("its submodules are empty: lib",)
    for role in ("lead", "worker"):
        text = briefing(e.ActorSpawned(ROOT, role=role, settings=SETTINGS), HOUSE, [], own, root)
        assert "You work in /runs/r/worktrees/root; relative paths start there." in text
        assert (
            "made for you alone, on the branch leadhand/r/root; it began with the commit " in text
        )
        assert "0123456789ab." in text
        assert "You may read /repo, but not write there." in text
        assert "Note: its submodules are empty: lib." in text
        assert "You work in /work" not in text
        assert ("Your workers work in worktrees of their own" in text) == (role == "lead")


def sublead(**given: Any) -> str:
    """The briefing of a sub-lead."""
    spawned = e.ActorSpawned(
        ActorId("root/S1"),
        parent=ROOT,
        role="sublead",
        settings=replace(SETTINGS, timeout_secs=77),
        envelope=400_000_000,
        max_workers=2,
    )
    return briefing(spawned, HOUSE, list(WORK_TOOLS), **given)


def test_a_sub_lead_leads_and_is_told_its_own_figures_and_for_whom_its_last_message_is() -> None:
    text = sublead()
    assert text.startswith("You are a sub-lead in a run of AI agents")
    assert "sees nothing of it but your final message" in text
    assert "Your job is to coordinate, not to do the work yourself" in text
    assert "at most 2 workers at a time, 1000 in all of the whole run" in text
    assert "at most $0.40 for everything" in text
    assert "at most 77 seconds for you" in text
    assert "4. COST SUMMARY" in text
    assert "spawn_sublead" not in text


def test_who_may_have_sub_leads_is_told_what_they_are() -> None:
    spawned = e.ActorSpawned(ROOT, role="lead", settings=SETTINGS)
    tool = replace(WORK_TOOLS[0], name="spawn_sublead")
    assert "With spawn_sublead you start a lead of its own" in briefing(spawned, HOUSE, [tool])
    assert "With spawn_sublead" not in told("lead")


def test_a_sub_lead_shares_a_store_with_its_workers_as_a_lead_does() -> None:
    spawned = e.ActorSpawned(ActorId("root/S1"), role="sublead", settings=SETTINGS)
    text = briefing(spawned, HOUSE, [replace(WORK_TOOLS[0], name="kv_set")])
    assert "You share a store with your workers" in text
    assert "only you write, all read" in text
