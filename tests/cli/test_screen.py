"""Screen: the tree on a terminal: what it shows, at any width, drawn by a real terminal."""

import fcntl
import io
import os
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from rich.console import Console

from leadhand.cli.screen import drawn
from leadhand.domain import commands as c
from leadhand.views.tree import tree
from tests.cli.kit import Desk, ended, wait_for
from tests.rules.world import World
from tests.views.kit import ESCAPES, asks, world

CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# A command with a terminal of its own on its first three descriptors.
ON_TERMINAL = (
    sys.executable,
    "-c",
    """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
""",
)


def picture(run: World, columns: int = 100, message: str = "", rows: int = 100) -> list[str]:
    """The lines of a drawn tree, without colors."""
    out = io.StringIO()
    console = Console(file=out, width=columns, markup=False, highlight=False, emoji=False)
    console.print(drawn(tree(run.run, run.now, rows), message, columns))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def busy() -> World:
    """A lead that waits for two workers, one of which has failed."""
    run = world(max_workers=3)
    workers = [run.spawn(label="the first half"), run.spawn(label="the second half")]
    asks(run, "root", "wait", tool="wait_actor")
    run.do(c.OpenWait(run.actor().id, next(iter(run.actor().tools)), tuple(workers)))
    run.later(secs=2)
    asks(run, workers[0], "Read src/leadhand/domain/rules/actor.py")
    run.turn(workers[1])
    run.later(secs=63).exit(workers[1], "failed", "", "model error: it is down")
    return run


def test_the_tree_shows_who_does_what_and_what_it_costs() -> None:
    lead, first, second, foot = picture(busy())
    assert lead.split()[:6] == ["★", "lead", "running", "waits", "for", "W1"]
    assert lead.endswith("1 turn  $0.0001  1:05")
    assert first.startswith("  ▸ W1  running  the first half   Read src/leadhand/domain/")
    assert first.endswith("1 turn  $0.0001  1:03")
    assert second.startswith("  ▸ W2  Failed   the second half  model error: it is down")
    assert foot == "2 workers spawned · 1 of 3 live · $0.0002 / $5.00 · 1:05 · run run"


def test_what_the_operator_is_to_do_stands_below_the_tree() -> None:
    run = busy()
    out = io.StringIO()
    needed = ["1 question waits for your answer: `leadhand approvals run`"]
    console = Console(file=out, width=100, markup=False, highlight=False, emoji=False)
    console.print(drawn(tree(run.run, run.now), "", 100, needed))
    assert out.getvalue().splitlines()[-1].rstrip() == needed[0]


@pytest.mark.parametrize("columns", [20, 40, 59, 60, 80, 89, 90, 120, 250])
def test_no_line_is_wider_than_the_terminal_and_none_is_wrapped(columns: int) -> None:
    lines = picture(busy(), columns)
    assert len(lines) == 4
    assert all(len(line) <= columns for line in lines)
    assert "▸ W1" in lines[1]


def test_a_drain_says_how_long_it_lasts() -> None:
    run = busy()
    run.do(c.DrainRun())
    assert picture(run.later(secs=5), message="draining")[-1] == "draining (0:25 left)"
    assert picture(busy(), message="stopping now")[-1] == "stopping now"


def test_those_for_whom_there_is_no_row_are_counted() -> None:
    run = world(max_workers=16)
    for _ in range(9):
        run.settled()
    lines = picture(run, rows=4)
    assert len(lines) == 6
    assert lines[4] == "  … and 6 more"


def test_labels_and_steps_are_shown_as_they_are_and_do_nothing() -> None:
    run = world()
    worker = run.spawn(label=f"[red]:smile: {ESCAPES}")
    asks(run, worker, "[/] :smile: x")
    text = "\n".join(picture(run))
    assert "[red]:smile:" in text
    assert "[/] :smile: x" in text
    assert "\x1b" not in text


class Terminal:
    """A terminal of a given size, and all that was written to it."""

    def __init__(self, rows: int = 30, columns: int = 100) -> None:
        self.master, self.slave = os.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.raw = b""
        self._open = True
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        # EIO is how the end of a terminal shows itself.
        with suppress(OSError):
            while self._open:
                if select.select([self.master], [], [], 0.02)[0]:
                    self.raw += os.read(self.master, 65_536)

    @property
    def text(self) -> str:
        """What was written, without its controls."""
        return CONTROLS.sub("", self.raw.decode(errors="replace")).replace("\r", "")

    def key(self, key: str) -> None:
        """Press a key."""
        os.write(self.master, key.encode())

    def close(self) -> None:
        """Close its window: whoever runs in it gets SIGHUP, and EIO from then on."""
        if self._open:
            self._open = False
            self._reader.join()
            os.close(self.slave)
            os.close(self.master)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    found = Terminal()
    yield found
    found.close()


def on(terminal: Terminal) -> dict[str, object]:
    """What starts a command on a terminal."""
    three = dict.fromkeys(("stdin", "stdout", "stderr"), terminal.slave)
    return {**three, "wrapper": ON_TERMINAL, "env": {"TERM": "xterm-256color"}}


@pytest.mark.slow
def test_a_dispatch_on_a_terminal_draws_the_tree_while_it_grows(
    at: Desk, terminal: Terminal
) -> None:
    dispatch = at.gate().gated(**on(terminal))
    wait_for(lambda: "waits for W1 and W2" in terminal.text)
    assert "▸ W2" in terminal.text
    assert "2 workers spawned · 2 of 4 live · $0.00 / $2.00" in terminal.text
    at.touch("open")
    assert ended(dispatch).code == 0
    wait_for(lambda: "succeeded after" in terminal.text)
    assert b"\x1b[?25l" in terminal.raw
    assert terminal.raw.count(b"\x1b[?25h") >= 1, "the cursor is shown again"
    assert terminal.raw.rindex(b"\x1b[?25h") > terminal.raw.rindex(b"\x1b[?25l")
    last = terminal.text.rindex("★ gated")
    assert "reported success" in terminal.text[last:]
    assert "1. STATUS: success" in terminal.text[last:]
    assert "spawned by root" not in terminal.text


@pytest.mark.slow
def test_ctrl_c_on_a_terminal_drains_and_then_stops(at: Desk, terminal: Terminal) -> None:
    dispatch = at.gate(grace_secs=600).gated(**on(terminal))
    wait_for(lambda: "2 of 4 live" in terminal.text)
    terminal.key("\x03")
    wait_for(lambda: "draining: nothing new starts" in terminal.text)
    wait_for(lambda: "(9:5" in terminal.text)
    terminal.key("\x03")
    assert ended(dispatch).code == 130
    wait_for(lambda: "To go on: leadhand resume" in terminal.text)
    assert at.run("status", at.latest(), "--json").json["resumable"]


@pytest.mark.slow
def test_a_terminal_whose_window_is_closed_leaves_a_run_that_can_be_resumed(
    at: Desk, terminal: Terminal
) -> None:
    dispatch = at.gate(grace_secs=1).gated(**on(terminal))
    wait_for(lambda: "2 of 4 live" in terminal.text)
    terminal.close()
    assert ended(dispatch).code == 130
    assert at.run("status", at.latest(), "--json").json["resumable"]


@pytest.mark.slow
@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"TERM": ""}])
def test_a_terminal_that_cannot_draw_gets_lines(
    at: Desk, terminal: Terminal, env: dict[str, str]
) -> None:
    at.gate().touch("open")
    done = at.run("dispatch", "manifest.toml", **{**on(terminal), "env": env})
    assert done.code == 0
    wait_for(lambda: "succeeded after" in terminal.text)
    assert "root/W1   spawned by root: job 1" in terminal.text
    assert b"\x1b[?25l" not in terminal.raw


@pytest.mark.slow
def test_no_color_is_drawn_where_none_is_wanted(at: Desk, terminal: Terminal) -> None:
    at.gate().touch("open")
    env = {"TERM": "xterm-256color", "NO_COLOR": "1"}
    assert at.run("dispatch", "manifest.toml", **{**on(terminal), "env": env}).code == 0
    wait_for(lambda: "succeeded after" in terminal.text)
    assert not re.search(rb"\x1b\[(3[0-9]|9[0-9]|38;)", terminal.raw)


@pytest.mark.slow
def test_json_on_a_terminal_draws_beside_it(at: Desk, terminal: Terminal) -> None:
    given = {**on(terminal), "stdout": subprocess.PIPE}
    dispatch = at.gate().gated("--json", **given)
    wait_for(lambda: "2 of 4 live" in terminal.text)
    at.touch("open")
    assert ended(dispatch).json["status"] == "succeeded"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
@pytest.mark.parametrize(("rows", "columns"), [(24, 80), (12, 50)])
def test_a_real_terminal_shows_one_tree_and_nothing_is_left_over(
    at: Desk, tmp_path: Path, rows: int, columns: int
) -> None:
    at.gate()
    tmux = ["tmux", "-S", str(tmp_path / "tmux"), "-f", "/dev/null"]
    command = f"{sys.executable} -m leadhand dispatch manifest.toml; sleep 60"
    size = ["-x", str(columns), "-y", str(rows)]

    def screen() -> str:
        shown = [*tmux, "capture-pane", "-p"]
        return subprocess.run(shown, capture_output=True, check=True, text=True).stdout

    start = [*tmux, "new-session", "-d", *size, "sh", "-c", command]
    subprocess.run(start, check=True, cwd=at.folder, env=at.environment)
    try:
        wait_for(lambda: "waits for W1" in screen() or "▸ W2" in screen())
        wait_for(lambda: "0:01 · run" in screen() or "0:02" in screen())
        shown = screen()
        assert shown.count("★ gated") == 1
        assert shown.count("workers spawned") == 1
        assert all(len(line) <= columns for line in shown.splitlines())
        at.touch("open")
        wait_for(lambda: "succeeded after" in screen())
        assert screen().count("★ gated") <= 1
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
