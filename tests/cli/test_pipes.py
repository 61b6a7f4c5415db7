"""Pipes, files and encodings: whatever reads the output or does not, there is no traceback."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.conftest import Shelf
from tests.cli.kit import Desk, ended

pytestmark = pytest.mark.slow

READING = [
    ("list",),
    ("list", "--json"),
    ("status", "{run}"),
    ("why", "{run}"),
    ("why", "{run}", "--json"),
    ("events", "{run}"),
    ("events", "{run}", "--json"),
    ("attach", "{run}", "W1"),
    ("attach", "{run}", "W1", "--raw"),
]


def nobody_reads() -> int:
    """The end of a pipe whose reader has gone away."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.mark.parametrize("words", READING)
def test_a_reader_that_goes_away_ends_a_verb_in_peace(shelf: Shelf, words: tuple[str, ...]) -> None:
    pipe = nobody_reads()
    done = shelf.desk.run(*(word.format(run=shelf.bad) for word in words), stdout=pipe)
    os.close(pipe)
    assert (done.code, done.err) == (141, "")


@pytest.mark.parametrize("words", [("--help",), ("--version",), *READING[::3]])
def test_a_full_disk_below_the_output_is_said(shelf: Shelf, words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = shelf.desk.run(*(word.format(run=shelf.bad) for word in words), stdout=full)
    assert done.code == 2
    if words != ("--version",):
        assert done.err == "Error: No space left on device\n"


def test_a_reader_that_goes_away_does_not_stop_a_run(at: Desk) -> None:
    at.gate().touch("open")
    pipe = nobody_reads()
    done = at.run("dispatch", "manifest.toml", stdout=pipe)
    os.close(pipe)
    assert (done.code, done.err) == (0, "")
    assert at.run("status", at.latest(), "--json").json["status"] == "succeeded"


def test_a_reader_that_stands_still_does_not_hold_up_a_run(at: Desk) -> None:
    at.gate()
    reader, writer = os.pipe()
    # A pipe that is full before the run begins.
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    dispatch = at.gated(stdout=writer)
    os.close(writer)
    at.touch("open")
    run = at.latest()
    while at.run("status", run, "--json").json["status"] != "succeeded":
        assert dispatch.poll() is None
    with os.fdopen(reader, "rb") as stream:
        assert b"spawned by root: job 1" in stream.read()
    assert ended(dispatch).code == 0


def test_a_closed_output_is_no_bug(shelf: Shelf) -> None:
    words = ["-m", "leadhand", "list"]
    for closing in (">&-", "2>&-", ">&- 2>&-"):
        done = subprocess.run(
            ["sh", "-c", f'exec "$0" "$@" {closing}', sys.executable, *words],
            capture_output=True,
            check=False,
            env=shelf.desk.environment,
        )
        assert done.returncode == 0, closing
        assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding_of_a_terminal_shows_what_it_can(at: Desk, encoding: str) -> None:
    at.gate().touch("open")
    model = at.folder / "model.py"
    model.write_text(model.read_text().replace("job {n}", "übung 日本 {n}"))
    shown = {"encoding": encoding, "errors": "strict"}
    done = at.run("dispatch", "manifest.toml", env={"PYTHONIOENCODING": encoding}, **shown)
    assert done.code == 0
    assert "übung 日本 1".encode(encoding, "replace").decode(encoding) in done.out


def test_json_is_utf_8_whatever_the_terminal_is(shelf: Shelf) -> None:
    latin = {"PYTHONIOENCODING": "latin-1"}
    done = shelf.desk.run("resume", shelf.bad, "--json", env=latin, encoding="utf-8")
    assert "root/W1 — a job — is done" in done.json["final_message"]


def test_colors_are_for_terminals(shelf: Shelf) -> None:
    for words in READING:
        assert "\x1b" not in shelf.desk.run(*(word.format(run=shelf.bad) for word in words)).out
