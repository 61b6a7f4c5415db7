"""The command itself: help and version are quick, what is mistyped is said, a bug is one line."""

import importlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from leadhand import __version__
from leadhand.cli import VERBS
from tests.cli.kit import SOURCE, Desk, ended

pytestmark = pytest.mark.slow


# Verbs that are about no run, and those that print nothing that a program would parse.
WITHOUT_RUNS = ("validate", "init", "schema", "completion", "prices")
WITHOUT_JSON = (
    *("pause", "continue", "reprompt", "send", "cancel", "approve", "reject"),
    *("init", "mcp", "schema", "completion"),
)


def imported(*words: str) -> set[str]:
    """What a command line imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "leadhand", *words],
        capture_output=True,
        check=True,
        env={"PYTHONPATH": str(SOURCE), "PATH": os.environ["PATH"]},
        text=True,
    )
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


@pytest.mark.parametrize("word", ["--version", "-V"])
def test_the_version_is_told_before_anything_is_imported(at: Desk, word: str) -> None:
    done = at.run(word)
    assert (done.code, done.out, done.err) == (0, f"leadhand {__version__}\n", "")
    assert {name for name in imported(word) if "leadhand" in name} == {"leadhand", "leadhand.cli"}
    assert not {"click", "asyncio", "msgspec", "sqlite3"} & imported(word)


def test_help_lists_every_verb_and_loads_none(at: Desk) -> None:
    done = at.run("--help")
    assert (done.code, done.err) == (0, "")
    assert re.findall(r"^  ([a-z]+)  +[A-Z]", done.out, re.MULTILINE) == [*VERBS]
    loaded = imported("--help")
    assert not {"rich", "asyncio", "msgspec", "sqlite3", "leadhand.wiring"} & loaded
    assert not {f"leadhand.cli.{verb}" for verb in VERBS} & loaded


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_its_help(at: Desk, verb: str) -> None:
    done = at.run(verb, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: leadhand {verb} [OPTIONS]")
    if verb not in WITHOUT_RUNS:
        assert "--run-dir DIR" in done.out
    if verb not in WITHOUT_JSON:
        assert "--json" in done.out


def test_the_short_help_of_a_verb_is_the_first_line_of_its_own(at: Desk) -> None:
    for verb, short in VERBS.items():
        command = importlib.import_module(f"leadhand.cli.{verb}").command
        assert command.help is not None
        assert " ".join(command.help.split("\n\n")[0].split()) == short


def test_a_leadhand_without_a_verb_says_how_it_is_used(at: Desk) -> None:
    assert "Usage: leadhand" in "".join(at.run()[1:])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("stauts",), 'there is no verb "stauts". Did you mean "status"?'),
        (("fly",), 'there is no verb "fly". The verbs are: dispatch, validate'),
        (("--loud",), "No such option"),
        (("status",), "Missing argument 'RUN'"),
        (("status", "a", "b"), "unexpected extra argument"),
        (("list", "--run-dir", ""), "expected the path of a folder"),
        (("events", "a", "--actor"), "requires an argument"),
    ],
)
def test_what_is_mistyped_is_said(at: Desk, words: tuple[str, ...], said: str) -> None:
    done = at.run(*words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


BROKEN = """
import sys
import leadhand.cli.list
from leadhand.cli import main

async def read(run_dir):
    {what}

leadhand.cli.list.read = read
sys.argv = ["leadhand", "list"]
main()
"""


@pytest.mark.parametrize(
    "what", ['raise KeyError("moon")', 'raise __import__("leadhand.errors").errors.Bug("moon")']
)
def test_a_bug_is_one_line_and_a_file_without_secrets(at: Desk, what: str) -> None:
    secret = "hunter2hunter2"
    process = subprocess.run(
        [sys.executable, "-c", BROKEN.format(what=f'key = "{secret}"; {what} # {secret}')],
        capture_output=True,
        check=False,
        env=at.environment | {"TMPDIR": str(at.folder), "API_KEY": secret},
        text=True,
    )
    assert process.returncode == 70
    assert process.stdout == ""
    assert process.stderr.count("\n") == 1
    assert "this is a bug in Leadhand" in process.stderr
    assert "moon" in process.stderr
    [details] = at.folder.glob("leadhand-bug-*.txt")
    assert str(details) in process.stderr
    text = details.read_text()
    assert "Traceback" in text
    assert __version__ in text
    assert secret not in text
    assert details.stat().st_mode & 0o077 == 0


def test_a_bug_is_told_also_where_no_file_can_be_written(at: Desk) -> None:
    program = BROKEN.format(what="1 / 0").replace(
        "import sys\n", "import sys, tempfile\ntempfile.tempdir = '/nowhere'\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=False,
        env=at.environment,
        text=True,
    )
    assert process.returncode == 70
    assert "ZeroDivisionError" in process.stderr
    assert "nowhere" in process.stderr


def test_ctrl_c_in_any_verb_is_no_traceback(at: Desk) -> None:
    program = BROKEN.format(what='print("up", flush=True); import asyncio; await asyncio.sleep(60)')
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=at.environment,
        text=True,
    )
    at.started.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGINT)
    assert ended(process).code == 130


def test_no_file_of_details_is_left_by_what_users_do(at: Desk) -> None:
    before = {*Path(tempfile.gettempdir()).glob("leadhand-bug-*")}
    at.run("status", "x")
    at.run("dispatch", "nothing.toml")
    assert {*Path(tempfile.gettempdir()).glob("leadhand-bug-*")} <= before
