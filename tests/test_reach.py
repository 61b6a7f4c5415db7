"""Reach: a lead reads the files of those whom it sees, and of nobody else."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from leadhand.domain.ids import ActorId
from leadhand.domain.manifest import Subleads
from leadhand.reach import readable, told
from leadhand.tools.work.table import WORK_TOOLS
from tests.rules.world import World

TRANSCRIPTS, WORKTREES = Path("/run/transcripts"), Path("/run/worktrees")


def family(*, read_down: bool = False, depth: int = 3) -> World:
    """A worker and two sub-leads, the first with a worker and a sub-lead of its own."""
    world = World(subleads=Subleads(max_depth=depth), budget_nanousd=10**9)
    world.spawn()
    world.sublead(read_down=read_down)
    world.sublead()
    world.spawn(parent="root/S1")
    return world


def names(world: World, actor: str) -> list[str]:
    return [path.name for path in readable(world.run, ActorId(actor), TRANSCRIPTS, None)]


def test_a_lead_without_sub_leads_reads_all_transcripts_and_worktrees() -> None:
    world = World()
    worker = world.spawn()
    assert readable(world.run, ActorId("root"), TRANSCRIPTS, WORKTREES) == [TRANSCRIPTS, WORKTREES]
    assert readable(world.run, worker, TRANSCRIPTS, WORKTREES) == []


def test_each_lead_reads_the_files_of_its_own() -> None:
    world = family()
    assert names(world, "root") == ["root.W1.jsonl", "root.S1.jsonl", "root.S2.jsonl"]
    assert names(world, "root/S1") == ["root.S1.W1.jsonl"]
    assert names(world, "root/S2") == names(world, "root/S1/W1") == []
    assert readable(world.run, ActorId("root/S1"), TRANSCRIPTS, WORKTREES) == [
        TRANSCRIPTS / "root.S1.W1.jsonl",
        WORKTREES / "root.S1.W1",
    ]


def test_what_has_settled_can_be_read_still_and_what_lets_read_down_further() -> None:
    world = family(read_down=True)
    world.exit("root/S1/W1")
    world.exit("root/S1")
    assert set(names(world, "root")) == {
        *("root.W1.jsonl", "root.S1.jsonl", "root.S2.jsonl", "root.S1.W1.jsonl"),
    }


@pytest.mark.parametrize(("depth", "deep"), [(1, False), (2, False), (3, True)])
def test_only_who_may_have_sub_leads_is_told_of_them(depth: int, deep: bool) -> None:
    tool = replace(WORK_TOOLS[0], name="spawn_sublead")
    world = World(subleads=Subleads(max_depth=depth), budget_nanousd=10**9)
    assert (tool in told(world.run, ActorId("root"), [tool])) == (depth > 1)
    if depth > 1:
        assert (tool in told(world.run, world.sublead(), [tool])) == deep
    assert told(World().run, ActorId("root"), [*WORK_TOOLS, tool]) == [*WORK_TOOLS]
