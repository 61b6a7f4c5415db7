"""Completion: what a shell offers is what there is: verbs, options, and the ids of runs."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from leadhand.cli import VERBS
from tests.cli.conftest import Shelf
from tests.cli.kit import Desk

pytestmark = pytest.mark.slow


def offered(at: Desk, *words: str, verb: str = "bash") -> list[str]:
    """What is offered for the last word."""
    given = {"_LEADHAND_COMPLETE": f"{verb}_complete", "COMP_WORDS": " ".join(("leadhand", *words))}
    done = at.run(env=given | {"COMP_CWORD": str(len(words))})
    assert done.err == ""
    return [line.partition(",")[2] for line in done.out.splitlines() if line]


def test_verbs_are_offered_and_none_is_loaded_for_it(at: Desk) -> None:
    assert offered(at, "") == [*VERBS]
    assert offered(at, "va") == ["validate"]


def test_options_and_choices_of_a_verb_are_offered(at: Desk) -> None:
    assert "--dry-run" in offered(at, "dispatch", "--")
    assert "--announce-to" not in offered(at, "dispatch", "--")
    assert offered(at, "completion", "") == ["bash", "zsh", "fish"]


def test_runs_are_offered_by_their_ids(shelf: Shelf) -> None:
    every = sorted((shelf.good, shelf.bad, shelf.killed))
    assert offered(shelf.desk, "status", "") == every
    assert offered(shelf.desk, "why", shelf.bad[:8]) == [shelf.bad]
    assert offered(shelf.desk, "why", "*") == []


@pytest.mark.parametrize("words", [("fly", ""), ("status", "a", "b", "c")])
def test_what_is_mistyped_is_completed_by_nothing(at: Desk, words: tuple[str, ...]) -> None:
    assert offered(at, *words) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_lines(at: Desk, shell: str) -> None:
    done = at.run("completion", shell)
    assert (done.code, done.err) == (0, "")
    assert f"_LEADHAND_COMPLETE={shell}_complete" in done.out
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=done.out, text=True, check=True)
    assert at.run("completion", "tcsh").code == 2


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_itself_completes_with_them(shelf: Shelf) -> None:
    at = shelf.desk
    program = at.folder / "bin" / "leadhand"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m leadhand "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(leadhand completion bash)"; COMP_WORDS=(leadhand resume ""); COMP_CWORD=2; '
        '_leadhand_completion leadhand; echo "${COMPREPLY[@]}"; complete -p leadhand'
    )
    environment = at.environment | {"LEADHAND_RUN_DIR": str(at.runs)}
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        check=True,
        env=environment | {"PATH": f"{program.parent}:{Path('/usr/bin')}:/bin"},
        text=True,
    )
    replies, bound = done.stdout.splitlines()
    assert replies.split() == sorted((shelf.good, shelf.bad, shelf.killed))
    assert "_leadhand_completion" in bound
