"""Attach: somebody at another terminal reads along, each word once, and disturbs nothing."""

import asyncio
import os
import pty
import re
import select
import signal
import time
from collections.abc import Callable

import pytest

from leadhand.cli import attach
from leadhand.domain import commands as c
from leadhand.domain.contract import Contract, Evidence
from leadhand.model import Request
from leadhand.models.scripted import Reply
from leadhand.testing.model_server import model_server
from leadhand.testing.script import done
from leadhand.testing.step import Step
from tests.cli.conftest import Shelf
from tests.cli.kit import Desk, ended, wait_for
from tests.cli.test_events import worked_secs
from tests.rules.world import World

pytestmark = pytest.mark.slow

STAMP = re.compile(r"^\d\d:\d\d:\d\d  ")
COUNT = 60
NUMBERS = " ".join(f"word{number:02}" for number in range(COUNT))
STREAMED = """
[run]
max_workers = 2
budget_usd = 0.01
[providers.ollama]
base_url = "{url}"
[defaults]
use_worktree = false
[lead]
model = "ollama:llama3.1:8b"
prompt = "Count."
tools = ["Read"]
"""
REPORT = "1. STATUS: success\n2. COMPLETED\n- none\n3. DEFERRED OR FAILED\n- none\n4. COST SUMMARY"


def unstamped(text: str) -> list[str]:
    """The lines without their times."""
    return [STAMP.sub("", line) for line in text.splitlines()]


def until(process: object, what: str) -> str:
    """What a process prints up to a text, read as it comes."""
    stream, text = process.stdout, ""  # type: ignore[attr-defined]
    deadline = time.monotonic() + 60
    while what not in text:
        assert time.monotonic() < deadline, text
        if select.select([stream], [], [], 0.1)[0]:
            more = os.read(stream.fileno(), 65_536).decode()
            assert more, text
            text += more
    return text


def streaming(at: Desk, script: Callable[[Request], Reply], work: Callable[[], None]) -> None:
    """Work at the desk while a run is dispatched whose models stream what the script says."""

    async def main() -> None:
        async with model_server(script) as server:
            (at.folder / "m.toml").write_text(STREAMED.format(url=server.openai_url))
            at.start("dispatch", "m.toml", "--json")
            await server.until_asked()
            await asyncio.to_thread(work)

    asyncio.run(main())


def counting(request: Request) -> Step:
    """A lead that counts slowly, reads a file, counts again at once and reports."""
    read = len(done(request, "Read"))
    if read < 2:
        calls = (("Read", {"file_path": "m.toml"}),)
        delay_secs = 0.05 if read else 0.5
        return Step(text=f"Turn {read}. {NUMBERS}", calls=calls, chunk_delay_secs=delay_secs)
    return Step(text=REPORT)


# --- those that have ended


def test_of_a_settled_actor_the_end_is_printed(shelf: Shelf) -> None:
    told = shelf.desk.run("attach", shelf.bad, "job 1")
    assert (told.code, told.err) == (0, "")
    lines = unstamped(told.out)
    assert lines[0] == f"root/W1 (job 1), worker of run {shelf.bad}"
    assert lines[1:6] == ["prompt from root", "  work 1", "says", "  Done with work 1.", lines[5]]
    assert lines[5] == "settled as Success"
    assert re.fullmatch(r"root/W1  Success after 1 turn in \d:\d\d, \$0\.00", lines[-1])


def test_the_exit_code_says_that_it_did_not_succeed(shelf: Shelf) -> None:
    told = shelf.desk.run("attach", shelf.bad, "W2")
    assert told.code == 1
    assert "the second worker is broken" in told.out
    assert told.out.splitlines()[-1].startswith("root/W2  Failed after 0 turns")


@pytest.mark.parametrize("lines", [0, 1, 3, 1_000])
def test_as_many_lines_as_are_asked_for_come_first(shelf: Shelf, lines: int) -> None:
    everything = shelf.desk.run("attach", shelf.good, "root", "-n", "1000").out.splitlines()
    found = shelf.desk.run("attach", shelf.good, "root", "--lines", str(lines)).out.splitlines()
    middle = everything[1:-1]
    assert found == [everything[0], *middle[max(0, len(middle) - lines) :], everything[-1]]
    assert len(middle) > 10


def test_calls_are_a_line_each_and_results_are_shortened(shelf: Shelf) -> None:
    lines = unstamped(shelf.desk.run("attach", shelf.good, "root").out)
    assert "calls spawn_worker Ada" in lines
    [result] = [each for each in lines if each.startswith("spawn_worker Ada gave: ")]
    assert len(result) < 250


def test_raw_lines_are_those_of_the_transcript_and_nothing_else(shelf: Shelf) -> None:
    kept = (shelf.desk.runs / shelf.good / "transcripts" / "root.jsonl").read_text()
    told = shelf.desk.run("attach", shelf.good, "root", "--raw", "--lines", "1000")
    assert (told.code, told.out, told.err) == (0, kept, "")
    few = shelf.desk.run("attach", shelf.good, "root", "--raw", "--lines", "2")
    assert few.out.splitlines() == kept.splitlines()[-2:]
    assert few.lines[-1]["type"] == "settled"


def test_what_is_mistyped_is_said(shelf: Shelf) -> None:
    told = shelf.desk.run("attach", shelf.good, "W9")
    assert (told.code, told.out) == (2, "")
    assert "unknown actor: W9" in told.err
    assert shelf.desk.run("attach", shelf.good).code == 2
    assert shelf.desk.run("attach", shelf.good, "root", "--lines", "-1").code == 2
    assert "no run begins with" in shelf.desk.run("attach", "zzz", "root").err


# --- where nobody works on the run


def test_where_nobody_works_on_the_run_it_says_how_to_go_on(shelf: Shelf) -> None:
    told = shelf.desk.run("attach", shelf.killed, "W1")
    assert (told.code, told.err) == (0, "")
    last = told.out.splitlines()[-1]
    assert last.startswith("Nobody works on the run now; root/W1 has not settled.")
    assert f"leadhand resume {shelf.killed}" in last


def test_raw_says_on_stderr_that_nobody_works_on_the_run(shelf: Shelf) -> None:
    told = shelf.desk.run("attach", shelf.killed, "W1", "--raw")
    assert told.code == 0
    assert [each["type"] for each in told.lines] == ["prompt"]
    assert "leadhand resume" in told.err


def test_a_follower_ends_with_the_owner_and_another_sees_the_resumed_actor(at: Desk) -> None:
    dispatch = at.gate().gated()
    run = at.latest()
    follower = at.start("attach", run, "W1")
    until(follower, "work 1")
    dispatch.kill()
    dispatch.wait()
    told = ended(follower)
    assert (told.code, told.err) == (0, "")
    assert "Nobody works on the run now" in told.out
    resumed = at.start("resume", run)
    wait_for(lambda: at.run("status", run, "--json").json["status"] == "running")
    again = at.start("attach", run, "W1", "--lines", "1000")
    began = until(again, "runs it")
    at.touch("open")
    assert ended(resumed).code == 0
    after = ended(again)
    assert after.code == 0
    assert (began + after.out).count("Done with work 1.") == 1


# --- what is still going on


def test_an_actor_is_followed_until_it_settles(at: Desk) -> None:
    dispatch = at.gate().gated()
    follower = at.start("attach", at.latest(), "W1")
    raw = at.start("attach", at.latest(), "W1", "--raw")
    until(follower, "work 1")
    at.touch("open")
    told, rows = ended(follower), ended(raw)
    assert (told.code, told.err, rows.code, rows.err) == (0, "", 0, "")
    assert told.out.count("Done with work 1.") == 1
    assert told.out.splitlines()[-1].startswith("root/W1  Success after 1 turn")
    assert [each["type"] for each in rows.lines] == ["prompt", "answer", "settled"]
    assert ended(dispatch).code == 0


def test_following_sleeps_while_nothing_happens(at: Desk) -> None:
    at.gate().gated()
    follower = at.start("attach", at.latest(), "W1")
    until(follower, "work 1")
    before = worked_secs(follower.pid)
    time.sleep(1)
    assert worked_secs(follower.pid) - before < 0.5


def test_ctrl_c_ends_the_following_and_leaves_the_run(at: Desk) -> None:
    dispatch = at.gate().gated()
    follower = at.start("attach", at.latest(), "W1")
    until(follower, "work 1")
    follower.send_signal(signal.SIGINT)
    told = ended(follower)
    assert (told.code, told.err) == (130, "Error: interrupted\n")
    at.touch("open")
    assert ended(dispatch).code == 0


def test_a_lead_that_was_drained_and_taken_up_again_is_one_conversation(at: Desk) -> None:
    at.gate().touch("obey")
    dispatch = at.gated()
    run = at.latest()
    first = at.start("attach", run, "root", "--lines", "1000")
    until(first, "waits for")
    dispatch.send_signal(signal.SIGINT)
    at.touch("open")
    told = ended(first)
    assert told.code == 0
    assert "draining" in told.out
    assert told.out.splitlines()[-1].startswith("root  Success")
    ended(dispatch)
    (at.folder / "obey").unlink()
    assert at.run("resume", run).code == 0
    whole = at.run("attach", run, "root", "--lines", "1000").out
    assert len([line for line in unstamped(whole) if line == "settled as Success"]) == 2
    assert whole.count("prompt\n") == 1


def test_words_are_shown_before_their_turn_is_over_and_each_once(at: Desk) -> None:
    def work() -> None:
        follower = at.start("attach", at.latest(), "root")
        began = until(follower, "word10")
        assert "calls Read" not in began
        assert "word59" not in began
        told = began + ended(follower).out
        for turn in range(2):
            assert told.count(f"Turn {turn}.") == 1
        for number in range(COUNT):
            assert told.count(f"word{number:02}") == 2
        assert told.count("1. STATUS: success") == 1
        assert told.splitlines()[-1].startswith("root  Success after 3 turns")

    streaming(at, counting, work)


def test_reading_along_may_begin_in_the_middle_of_a_turn_or_with_none_of_it(at: Desk) -> None:
    def work() -> None:
        first = at.start("attach", at.latest(), "root")
        until(first, "word05")
        second = at.start("attach", at.latest(), "root")
        third = at.start("attach", at.latest(), "root", "--lines", "0")
        told, late = until(second, "calls Read"), until(third, "calls Read")
        assert "  Turn 0. word00" in told
        assert told.count("word59") == late.count("word59") == 1
        assert "word00" not in late.partition("calls Read")[0]
        assert late.splitlines()[1].startswith("  ")
        first.kill()

    streaming(at, counting, work)


def test_words_of_an_attempt_that_was_cut_are_not_those_of_the_next(at: Desk) -> None:
    tries = []

    def script(request: Request) -> Step:
        tries.append(request.call_id)
        if len(tries) == 1:
            return Step(text=f"Lost. {NUMBERS}", chunk_delay_secs=0.2, drop_after=8)
        return Step(text=f"{REPORT}\nKept.", chunk_delay_secs=0.05)

    def work() -> None:
        follower = at.start("attach", at.latest(), "root", "--lines", "1000")
        told = ended(follower)
        assert (told.code, told.err) == (0, "")
        assert told.out.count("Lost.") == told.out.count("Kept.") == 1
        assert told.out.index("Lost.") < told.out.index("ended without an answer")
        assert told.out.index("ended without an answer") < told.out.index("1. STATUS")

    streaming(at, script, work)


def test_an_actor_of_a_run_that_is_parked_is_told_to_be(at: Desk) -> None:
    def script(request: Request) -> Step:
        return Step(status=429, text="Come back later.", headers={"retry-after": "3600"})

    def work() -> None:
        run = at.latest()
        wait_for(lambda: at.run("status", run, "--json").json["status"] == "parked")
        follower = at.start("attach", run, "root")
        assert "the run is parked until" in until(follower, "Come back later")
        assert follower.poll() is None
        at.started[0].terminate()
        assert "Nobody works on the run now" in ended(follower).out

    streaming(at, script, work)


# --- what models write


def test_hostile_words_reach_no_terminal(at: Desk) -> None:
    at.gate()
    model = at.folder / "model.py"
    hostile = '"\\x1b]0;owned\\x07\\x1b[2J\\u202edrow" + "x" * 100_000 + "\\nlast"'
    model.write_text(model.read_text().replace('f"Done with {task}."', hostile))
    at.touch("open")
    assert at.run("dispatch", "manifest.toml").code == 0
    master, slave = pty.openpty()
    environment = {"TERM": "xterm-256color", "NO_COLOR": ""}
    follower = at.start("attach", at.latest(), "W1", stdout=slave, env=environment)
    os.close(slave)
    shown = everything(master)
    assert follower.wait() == 0
    assert "x" * 100_000 in shown
    assert "\x1b]0" not in shown
    assert "\x1b[2J" not in shown
    assert "\u202e" not in shown
    assert set(re.findall("\x1b[^m]*m", shown)) >= {"\x1b[90m", "\x1b[1m"}
    told = at.run("attach", at.latest(), "W1", env={"NO_COLOR": "1"})
    assert "\x1b" not in told.out


def everything(terminal: int) -> str:
    """What is written to a terminal until it is closed."""
    data = b""
    while True:
        try:
            more = os.read(terminal, 65_536)
        except OSError:
            more = b""
        if not more:
            os.close(terminal)
            return data.decode()
        data += more


def test_a_prompt_of_ten_thousand_lines_is_cut(at: Desk) -> None:
    at.gate()
    model = at.folder / "model.py"
    model.write_text(model.read_text().replace('f"work {n}"', 'f"work {n}" + "\\nmore" * 10_000'))
    at.touch("open")
    assert at.run("dispatch", "manifest.toml").code == 0
    told = at.run("attach", at.latest(), "W1")
    assert "  … and 9,981 lines more" in told.out.splitlines()
    assert len(told.out.splitlines()) < 40


def test_a_reader_that_goes_away_ends_the_following(at: Desk) -> None:
    dispatch = at.gate().gated()
    reader, writer = os.pipe()
    follower = at.start("attach", at.latest(), "W1", stdout=writer)
    os.close(writer)
    assert os.read(reader, 10)
    os.close(reader)
    at.touch("open")
    told = ended(follower)
    assert (told.code, told.err) == (141, "")
    assert ended(dispatch).code == 0


@pytest.mark.parametrize(
    ("outcome", "said"), [("verified", "Success, verified, after"), ("unverified", "Success after")]
)
def test_the_last_line_says_what_the_checks_came_to(outcome: str, said: str) -> None:
    one = World()
    worker = one.spawn(contract=Contract(files=("out.md",) if outcome == "verified" else ()))
    one.turn(worker)
    one.exit(worker)
    if outcome == "verified":
        one.do(c.RecordChecks(worker, (Evidence("files", "out.md", ok=True),), "Done."))
    assert said in re.sub("\x1b\\[[0-9;]*m", "", attach.outcome(one.record(worker)))
