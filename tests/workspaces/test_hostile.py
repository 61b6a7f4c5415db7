"""Hostile repositories: making, looking at and removing a worktree runs none of their programs."""

from pathlib import Path

import pytest

from leadhand.domain.ids import ActorId
from tests.tools.git_kit import plain
from tests.workspaces.kit import Yard, commit

pytestmark = pytest.mark.slow

# Each way to name a program: settings, and hooks by their names.
HOSTILE: dict[str, tuple[list[tuple[str, str]], list[str]]] = {
    "hooks": ([], ["post-checkout", "reference-transaction", "post-index-change", "pre-commit"]),
    "a folder of hooks": ([("core.hooksPath", "{traps}")], []),
    "a monitor": ([("core.fsmonitor", "{evil}")], []),
    "a smudge filter": ([("filter.evil.smudge", "{evil}")], []),
    "a clean filter": ([("filter.evil.clean", "{evil}")], []),
    "a required filter": (
        [("filter.evil.smudge", "{evil}"), ("filter.evil.required", "true")],
        [],
    ),
    "a filter process": ([("filter.evil.process", "{evil}")], []),
    "settings of the worktree": (
        [("extensions.worktreeConfig", "true"), ("core.fsmonitor", "{evil}")],
        [],
    ),
}


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    """A repository with a program that leaves a trace, and a run."""
    yard = Yard(tmp_path)
    evil = tmp_path / "evil.sh"
    evil.write_text(f"#!/bin/sh\ntouch {tmp_path}/trace\nexec cat\n")
    evil.chmod(0o755)
    (tmp_path / "traps").mkdir()
    (tmp_path / "traps" / "post-checkout").symlink_to(evil)
    (yard.repository / ".gitattributes").write_text("*.txt filter=evil\n")
    yard.git("add", ".")
    yard.git("commit", "-qm", "Attributes")
    return yard


@pytest.mark.parametrize("what", HOSTILE)
def test_nothing_is_run_that_the_repository_names_as(yard: Yard, tmp_path: Path, what: str) -> None:
    settings, hooks = HOSTILE[what]
    lead = yard.made(ActorId("root"))
    commit(lead)
    trace = tmp_path / "trace"
    for key, value in settings:
        yard.git("config", key, value.format(evil=tmp_path / "evil.sh", traps=tmp_path / "traps"))
    for hook in hooks:
        (yard.repository / ".git" / "hooks" / hook).symlink_to(tmp_path / "evil.sh")
    yard.git("worktree", "add", "-q", str(tmp_path / "bait"))
    yard.git("status")
    (yard.repository / "a.txt").write_text("x\n")
    yard.git("add", ".")
    yard.git("reset", "-q", "--hard")
    assert trace.exists(), "the trap is not sprung by plain git, so it proves nothing"
    trace.unlink()
    (yard.repository / "a.txt").touch()
    worker = yard.made()
    Path(worker.root, "a.txt").touch()
    yard.make(worker)
    assert yard.tidy(worker) == ""
    assert yard.tidy(lead, ActorId("root")) == "1 commit not merged"
    assert not trace.exists()


def test_a_repository_that_an_actor_puts_in_the_place_of_its_own_is_not_looked_into(
    yard: Yard, tmp_path: Path
) -> None:
    workspace = yard.made()
    trap = tmp_path / "trap"
    trap.mkdir()
    plain(trap, "init", "-q")
    plain(trap, "config", "core.fsmonitor", str(tmp_path / "evil.sh"))
    link = Path(workspace.path, ".git")
    link.write_text(f"gitdir: {trap / '.git'}\n")
    assert yard.tidy(workspace) == "its .git does not lead to the repository"
    yard.make(workspace)
    assert not (tmp_path / "trace").exists()
    assert link.read_text() == f"gitdir: {yard.repository}/.git/worktrees/root.W1\n"
