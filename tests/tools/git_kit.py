"""Git kit: a small repository, git as anybody runs it, and the tool."""

import os
import subprocess
from pathlib import Path
from typing import Any

from leadhand.tools.work import git
from tests.tools.kit import call

ENV = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
}


def plain(folder: Path, *words: str) -> str:
    """Git as anybody runs it."""
    finished = subprocess.run(
        ["git", *words],
        cwd=folder,
        env=ENV,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    return finished.stdout + finished.stderr


def make_repository(folder: Path) -> Path:
    """A repository of two commits and one file."""
    folder.mkdir()
    plain(folder, "init", "-q", "-b", "main")
    (folder / "a.txt").write_text("one\n")
    plain(folder, "add", ".")
    plain(folder, "commit", "-qm", "First")
    (folder / "a.txt").write_text("one\ntwo\n")
    plain(folder, "commit", "-qam", "Second")
    return folder


def look(root: Path, *words: str, **caller: Any) -> str:
    """Call the tool."""
    return call(root, git.TOOL, {"args": list(words)}, **caller)
