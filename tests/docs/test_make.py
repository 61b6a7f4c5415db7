"""Make: the commands that the documents promise are there, and CI runs the same ones."""

import os
import re
import subprocess

from tests.docs.markdown import ROOT

TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)
PROMISED = {"demo", "test", "check", "bench", "simulate", "fix", "help"}


def targets() -> set[str]:
    """The targets of the Makefile that a person types."""
    found = set(TARGET.findall((ROOT / "Makefile").read_text()))
    return found - {"venv", "venv-demo", "python"}


def test_make_help_lists_every_target() -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "help"],
        capture_output=True,
        check=True,
        cwd=ROOT,
        text=True,
    )
    assert set(re.findall(r"^make ([a-z-]+) ", done.stdout, re.MULTILINE)) == targets()


def test_the_makefile_has_the_promised_targets() -> None:
    assert targets() >= PROMISED


def test_the_readme_shows_the_demo_and_the_tests() -> None:
    shown = (ROOT / "README.md").read_text()
    assert "make demo" in shown
    assert "make test" in shown


def test_ci_runs_the_commands_that_the_readme_shows() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = script.read_text().splitlines()
    assert {"make check", "make test"} <= set(lines)
