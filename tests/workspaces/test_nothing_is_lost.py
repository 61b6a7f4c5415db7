"""Nothing is lost: whatever is done with git, each commit and file is still held somewhere."""

import subprocess
from pathlib import Path
from random import Random

import pytest

from leadhand.domain.ids import ActorId
from leadhand.errors import WorkspaceError
from tests.tools.git_kit import ENV
from tests.workspaces.kit import Placed, Yard

pytestmark = pytest.mark.slow

# What an actor may do in its worktree. {other}: another's branch; {n}: a number of its own.
ACTORS = (
    "echo {n} > f{n}; git add .; git commit -qm {n}",
    "echo {n} > f{n}; git add .; git commit -qm {n}; git merge -q --no-edit {other}",
    "echo {n} > a.txt",
    "echo {n} > loose{n}",
    "git rm -q a.txt",
    "git mv a.txt b.txt; git commit -qm {n}",
    "git commit -q --amend --allow-empty -m {n}",
    "git reset -q --hard HEAD~1",
    "git checkout -q --detach; git commit -q --allow-empty -m {n}",
    "git checkout -q -b mine{n}; git commit -q --allow-empty -m {n}",
    "git checkout -q {other}",
    "git merge -q --no-edit {other}",
    "git merge -q --no-edit main",
    "git rebase -q main",
    "git cherry-pick {other}",
    "git revert --no-edit HEAD",
    "git stash -u",
    "git branch -m renamed{n}",
    "git config status.showUntrackedFiles no",
    "git update-index --assume-unchanged a.txt; echo {n} > a.txt",
    "git init -q inner{n}; echo {n} > inner{n}/x",
)
# What the operator may do in the repository.
OPERATORS = (
    "git merge -q --no-edit {other}",
    "git merge -q --ff-only {other}",
    "git reset -q --hard HEAD~1",
    "git commit -q --allow-empty -m {n}",
    "git checkout -q --detach",
    "git checkout -q main",
    "git branch -f kept{n} {other}",
    "git tag -f t{n} {other}",
    "git branch -D {other}",
    "git pack-refs --all",
    "git gc -q --prune=now",
)
NAMES = ("root", "root/W1", "root/W2")


class Story:
    """Some actors, an operator and dice."""

    def __init__(self, base: Path, seed: int) -> None:
        self.dice, self.yard = Random(seed), Yard(base)
        self.made: dict[ActorId, Placed] = {}
        self.told: list[str] = []
        for name in NAMES:
            actor = ActorId(name)
            own = self.made.get(ActorId("root"))
            source = Path(own.root) if own and self.dice.random() < 0.5 else None
            self.made[actor] = self.yard.made(actor, source)

    def shell(self, folder: Path, line: str) -> str:
        """Let the shell do something, as anybody may."""
        self.told.append(f"{folder.name}: {line}")
        done = subprocess.run(
            ["sh", "-c", line], cwd=folder, env=ENV, capture_output=True, text=True, check=False
        )
        return done.stdout

    def step(self, number: int) -> None:
        """Somebody does something."""
        other = self.dice.choice([*self.made.values()]).branch
        operator = self.dice.random() < 0.3
        actors = Path(self.dice.choice([*self.made.values()]).path)
        folder = self.yard.repository if operator else actors
        line = self.dice.choice(OPERATORS if operator else ACTORS)
        if folder.exists():
            self.shell(folder, line.format(other=other, n=number))

    def held(self) -> set[str]:
        """Every commit that a ref holds, or a worktree has checked out."""
        script = 'git rev-list --all; git worktree list --porcelain | sed -n "s/^HEAD //p" | '
        script += "git rev-list --stdin"
        return set(self.shell(self.yard.repository, script).split())

    def loose(self) -> set[tuple[str, str]]:
        """Every file in a worktree with its text, wherever it is committed."""
        return {
            (str(path.relative_to(each.path)), path.read_text())
            for each in self.made.values()
            for path in Path(each.path).rglob("*")
            if path.is_file() and ".git" not in path.relative_to(each.path).parts
        }

    def committed(self) -> set[str]:
        """The text of every file in every commit that is held."""
        script = "git rev-list --all --objects | cut -d' ' -f1 | git cat-file --batch-check"
        blobs = [line.split() for line in self.shell(self.yard.repository, script).splitlines()]
        return {
            self.shell(self.yard.repository, f"git cat-file blob {name}")
            for name, kind, _ in blobs
            if kind == "blob"
        }


@pytest.mark.parametrize("seed", range(6))
def test_every_commit_and_file_is_held_after_all_was_tidied(tmp_path: Path, seed: int) -> None:
    story = Story(tmp_path, seed)
    removed = 0
    for turn in range(4):
        for number in range(6):
            story.step(turn * 100 + number)
        for actor, workspace in story.made.items():
            commits, files = story.held(), story.loose()
            try:
                why = story.yard.tidy(workspace, actor)
            except WorkspaceError as error:
                why = error.message
            story.told.append(f"tidy {actor}: {why}")
            removed += not why
            assert commits <= story.held(), "\n".join(story.told)
            gone = {text for _, text in files - story.loose()}
            assert gone <= story.committed(), "\n".join(story.told)
            if why == "" and story.dice.random() < 0.7:
                story.yard.git("checkout", "-q", "main")
                story.made[actor] = story.yard.made(actor)
    assert story.yard.git("fsck", "--connectivity-only", "--no-dangling") == ""
