"""Breakages: five ways to break the code, each shown to be caught by the test that names it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.house.source import ROOT

RULES = "src/leadhand/domain/rules"


class Breakage(NamedTuple):
    """An edit of one file, and the test that must fail after it."""

    what: str
    path: str
    old: str
    new: str
    test: str


BREAKAGES = [
    Breakage(
        "a rule that reads the clock",
        f"{RULES}/wait.py",
        "    if now.run_ms >= wait.until:",
        "    import time\n\n    if time.monotonic() * 1000 >= wait.until:",
        "tests/house/test_imports.py::test_the_domain_imports_nothing_impure",
    ),
    Breakage(
        "a settle that forgets to free",
        f"{RULES}/actor.py",
        "    ledger.release(run, actor)\n",
        "",
        "tests/rules/test_actor.py::test_a_settled_worker_is_no_longer_its_leads_child",
    ),
    Breakage(
        "a command without a rule",
        "src/leadhand/domain/decide.py",
        "    c.OpenWait: wait.begin,\n",
        "",
        "tests/house/test_features.py::test_every_command_and_event_has_its_rule",
    ),
    Breakage(
        "a rule that skips a cap",
        f"{RULES}/caps.py",
        "    if active >= most:",
        "    if active > 10_000:",
        "tests/rules/test_caps.py::test_no_more_workers_live_than_the_house_rules_allow",
    ),
    Breakage(
        "a due that forgets the dead",
        f"{RULES}/actor.py",
        "        if actor.id not in alive and now.run_ms >= actor.retry_at:",
        "        if actor.started_at is None and actor.id not in alive:",
        "tests/simulation/test_simulation.py::test_a_few_seeds",
    ),
]


def check(folder: Path, test: str) -> int:
    """Run one test of a copy; pytest's exit code."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    argv = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "", test]
    done = subprocess.run(
        argv, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    return done.returncode


@pytest.mark.slow
@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda each: each.what)
def test_a_breakage_is_caught(tmp_path: Path, breakage: Breakage) -> None:
    for name in ("src", "tests", "examples"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    assert check(tmp_path, breakage.test) == 0
    path = tmp_path / breakage.path
    text = path.read_text()
    assert text.count(breakage.old) == 1
    path.write_text(text.replace(breakage.old, breakage.new))
    assert check(tmp_path, breakage.test) == 1


def test_the_breakages_are_those_of_contributing() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    table = re.findall(r"^\| (a [a-z ]+) \| `(tests/\S+)` \|$", page, re.MULTILINE)
    assert table == [(each.what, each.test) for each in BREAKAGES]
