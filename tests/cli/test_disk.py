"""Disks: a full or read-only one is said in a line, nothing is overwritten, and work goes on."""

import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Shelf
from tests.cli.kit import POWERLESS, Desk

pytestmark = pytest.mark.slow

TALKATIVE = """
from leadhand.testing import Reply, turn

def reply(request):
    if turn(request) < 30:
        return Reply(text="x" * 60_000, calls=(("Glob", {"pattern": "*.none"}),))
    return "1. STATUS: success\\n2. COMPLETED\\n3. DEFERRED OR FAILED\\n4. COST SUMMARY"
"""


def small_disk(at: Desk, kept: Path) -> tuple[str, ...]:
    """Runs a command with a small disk as its folder of runs, and keeps what that then holds;
    skips where none can be had."""
    for path in (at.runs, kept):
        path.mkdir()
    mount = f"mount -t tmpfs -o size=700k none {at.runs}"
    script = f'{mount} && "$@"; code=$?; cp -a {at.runs}/. {kept}; exit $code'
    wrapper = ("unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh")
    try:
        subprocess.run([*wrapper, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs a kernel that lets us mount")
    return wrapper


def test_a_full_disk_ends_a_run_that_goes_on_once_there_is_room(at: Desk, tmp_path: Path) -> None:
    at.gate()
    (at.folder / "model.py").write_text(TALKATIVE)
    kept = tmp_path / "kept"
    done = at.run("dispatch", "manifest.toml", "--quiet", wrapper=small_disk(at, kept))
    assert (done.code, done.out) == (2, "")
    *others, interrupted, error = done.err.splitlines()
    assert all(each.startswith("the files beside the log are incomplete: ") for each in others)
    assert "the disk is full" in error or "No space left on device" in error
    [run] = [path.name for path in kept.iterdir()]
    assert interrupted == f"run {run} was interrupted: `leadhand resume {run}` continues it"
    done = at.run("resume", run, "--run-dir", str(kept))
    assert done.code == 0
    assert "succeeded" in done.out.splitlines()[-1]


def test_a_run_that_may_not_be_written_is_one_line_for_every_verb(shelf: Shelf) -> None:
    folder = shelf.desk.runs / shelf.bad
    everything = [folder, *folder.rglob("*")]
    for path in everything:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = contents(folder)
    try:
        for verb in ("status", "why", "events", "resume", "cancel"):
            done = shelf.desk.run(verb, shelf.bad, wrapper=POWERLESS)
            assert (done.code, done.out) == (2, ""), verb
            assert "may not be written to" in done.err
            assert done.err.count("\n") == 1
        done = shelf.desk.run("list", wrapper=POWERLESS)
        assert done.code == 0
        assert f"{shelf.bad}  unreadable" in done.out
    finally:
        for path in everything:
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert contents(folder) == before


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
