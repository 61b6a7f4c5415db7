"""Tutorial: followed to the letter, by a new user on a machine that has only Python."""

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, blocks

PAGE = ROOT / "docs" / "tutorial.md"
SAVED = re.compile(r"Save as `([^`]+)`:\n\n\Z")
# How this machine reaches the registry that pip installs from.
REACH = re.compile(
    r"PIP_(INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|TRUSTED_HOST|CONSTRAINT)"
    r"|\w*(CERT|CA_BUNDLE)\w*|\w+_proxy",
    re.IGNORECASE,
)


class Shell:
    """A bash with job control, as the reader's; what it prints, errors included, is read."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.type("set -m")

    def type(self, command: str) -> str:
        """Run one command; what was printed until it was done. It must succeed."""
        end = uuid.uuid4().hex
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{command}\necho {end} $?\n")
        stdin.flush()
        told = []
        for line in stdout:
            before, found, code = line.partition(end)
            told.append(before if found else line)
            if found:
                assert code.strip() == "0", (command, "".join(told))
                return "".join(told)
        raise AssertionError(f"the shell is gone after {command}")


@contextmanager
def shell(home: Path, folder: Path) -> Iterator[Shell]:
    """The shell of somebody who has nothing yet."""
    python = Path(sys.base_prefix) / "bin"
    reach = {name: value for name, value in os.environ.items() if REACH.fullmatch(name)}
    own = {"PATH": f"{python}:{os.defpath}", "HOME": str(home), "LANG": "C.UTF-8"}
    process = subprocess.Popen(
        ["bash", "--noprofile", "--norc"],
        cwd=folder,
        env=reach | own,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield Shell(process)
    finally:
        process.communicate(timeout=60)


def steps(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of a console block, with the lines that stand below it."""
    command, told = "", list[str]()
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, told
            command, told = line.removeprefix("$ "), []
        else:
            told.append(line)
    if command:
        yield command, told


def shows(printed: str, line: str) -> bool:
    """Whether a line stands in what was printed; `...` is any words."""
    pattern = ".*".join(re.escape(part.strip()) for part in line.split("..."))
    return re.search(pattern, printed) is not None


def latest(bash: Shell) -> str:
    """The id of the latest run."""
    run_id: str = json.loads(bash.type("leadhand list --json"))[0]["run_id"]
    return run_id


def follow(text: str, bash: Shell) -> list[str]:
    """Save each file and type each command; the commands."""
    place, typed = 0, []
    for block in blocks(text):
        start = text.index(block.text, place)
        before, place = text[place:start], start + len(block.text)
        if block.language == "console":
            for command, told in steps(block.text):
                asked = command.replace("RUN", latest(bash)) if "RUN" in command else command
                printed = bash.type(asked)
                typed.append(command)
                for line in told:
                    expected = line.replace("RUN", latest(bash)) if "RUN" in line else line
                    assert shows(printed, expected), f"{command}: {expected}\n{printed}"
        elif saved := SAVED.search(before[: before.rindex("```")]):
            (Path(bash.type("pwd").strip()) / saved[1]).write_text(block.text)
    return typed


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_tutorial_can_be_followed_to_the_letter(tmp_path: Path) -> None:
    home, desk = tmp_path / "home", tmp_path / "desk"
    home.mkdir()
    desk.mkdir()
    (desk / "leadhand").symlink_to(ROOT)
    with shell(home, desk) as bash:
        typed = follow(PAGE.read_text(), bash)
    verbs = {command.split()[1] for command in typed if command.startswith("leadhand ")}
    assert {"validate", "dispatch", "list", "status", "why", "events", "resume"} <= verbs
    for deed in ("kill -9 %1", "kill -INT %1", "python run.py"):
        assert any(command.endswith(deed) for command in typed), deed


def test_every_file_of_the_tutorial_is_saved() -> None:
    text = PAGE.read_text()
    files = [block for block in blocks(text) if block.language != "console"]
    assert len(re.findall(r"Save as `[^`]+`:\n\n```", text)) == len(files)


def test_commands_are_told_from_what_they_print() -> None:
    assert list(steps("$ a\nx\ny\n$ b\n")) == [("a", ["x", "y"]), ("b", [])]


@pytest.mark.slow
def test_what_is_not_printed_and_what_fails_is_caught(tmp_path: Path) -> None:
    with shell(tmp_path, tmp_path) as bash:
        assert follow("```console\n$ echo one 2 three\none ... three\n```\n", bash)
        with pytest.raises(AssertionError, match="four"):
            follow("```console\n$ echo one\nfour\n```\n", bash)
        with pytest.raises(AssertionError, match="false"):
            follow("```console\n$ false\n```\n", bash)
        follow("Save as `new.txt`:\n\n```text\nwords\n```\n", bash)
        assert (tmp_path / "new.txt").read_text() == "words\n"
