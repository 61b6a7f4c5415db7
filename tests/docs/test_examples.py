"""Examples: each runs as its users run it, from a repository that has nothing but the examples."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.kit import SOURCE, repository
from tests.docs.markdown import ROOT

EXAMPLES = ROOT / "examples"
# The command of each, and what it prints and leaves when it has gone as it should.
COMMANDS = {
    "01_digest": ("-m leadhand dispatch examples/01_digest/manifest.toml", "STATUS: success"),
    "02_audit": ("examples/02_audit/run.py", "STATUS: partial"),
    "03_python": ("examples/03_python/run.py", "STATUS: success"),
}


def test_every_example_has_its_command_here() -> None:
    found = [path.name for path in EXAMPLES.iterdir() if path.name != "__pycache__"]
    assert sorted(found) == sorted(COMMANDS)


@pytest.mark.slow
@pytest.mark.parametrize("example", COMMANDS)
def test_an_example_runs_to_its_report_and_leaves_nothing_beside_build(
    example: str, tmp_path: Path
) -> None:
    command, told = COMMANDS[example]
    home, desk = tmp_path / "home", tmp_path / "desk"
    home.mkdir()
    desk.mkdir()
    repository(desk)
    shutil.rmtree(desk / "examples")
    shutil.copytree(EXAMPLES, desk / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    before = files(desk)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-B", *command.split()],
        capture_output=True,
        check=False,
        cwd=desk,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(SOURCE)},
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert f"1. {told}" in done.stdout
    assert "disagrees" not in done.stdout
    assert {path.parts[0] for path in files(desk) - before} <= {"build"}


def files(folder: Path) -> set[Path]:
    """The files below a folder but those of git."""
    every = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path for path in every if path.parts[0] != ".git"}
