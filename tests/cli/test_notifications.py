"""Notifications: what real sinks hear of dispatched runs, also of one whose owner is killed."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import Desk, wait_for

pytestmark = pytest.mark.slow

SECRET = "T0KEN-that-nobody-may-see"


class Sink:
    """A server on loopback. heard: (key, what was said). before: called with each, before it is
    answered; what it gives is the answer's status."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/{SECRET}"
        self.host = f"127.0.0.1:{port}"
        self.heard: list[tuple[str, Any]] = []
        self.before: Callable[[Any], int] = lambda said: 200

    @property
    def events(self) -> list[str]:
        """Of what it was told."""
        return [said["event"] for _, said in self.heard]


@contextmanager
def listening() -> Iterator[Sink]:
    """A sink."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.heard.append((self.headers["Idempotency-Key"], said))
            status = found.before(said)
            try:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
            except OSError:
                # Who asked is gone.
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            """Silence."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads = True
        server.block_on_close = False
        found = Sink(server.server_port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield found
        server.shutdown()


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A sink."""
    with listening() as found:
        yield found


def hooked(at: Desk, sink: Sink, *tables: str) -> Desk:
    """A desk whose gated manifest tells a sink."""
    at.gate()
    path = at.folder / "manifest.toml"
    hook = '[[notification]]\nkind = "webhook"\nurl = "${LEADHAND_HOOK}"\n'
    path.write_text("\n".join([path.read_text(), hook, *tables]))
    at.environment |= {"LEADHAND_HOOK": sink.url, "LEADHAND_NOTIFY_ALLOW_HOSTS": sink.host}
    return at


def files_hold(folder: Path, text: str) -> list[str]:
    """The files below a folder that hold a text."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in found if text.encode() in path.read_bytes()]


def test_a_run_tells_its_sink_and_keeps_its_url_to_itself(at: Desk, sink: Sink) -> None:
    hooked(at, sink).touch("open")
    at.touch("fail")
    done = at.run("dispatch", "manifest.toml", "--json")
    assert sink.events == ["run_dispatched", "worker_failed", "run_finished"]
    ended = sink.heard[-1][1]
    assert (ended["status"], ended["run_id"]) == ("partial", done.json["run_id"])
    assert ended["report"]["status"] == "partial"
    assert [each["worker_id"] for each in ended["report"]["completed"]] == ["root/W1"]
    run = done.json["run_id"]
    shown = [at.run(verb, run) for verb in ("status", "why", "events")]
    shown.append(at.run("events", run, "--json"))
    said = "".join(each.out + each.err for each in (done, *shown))
    assert SECRET not in said
    assert files_hold(at.runs, SECRET) == []
    assert at.run("resume", run).code == done.code
    assert len(sink.heard) == 3


def test_a_sink_that_the_environment_does_not_name_is_a_fault(at: Desk, sink: Sink) -> None:
    hooked(at, sink)
    del at.environment["LEADHAND_NOTIFY_ALLOW_HOSTS"]
    done = at.run("dispatch", "manifest.toml")
    assert done.code == 2
    assert "cannot be told: it leads to a loopback address" in done.err
    assert SECRET not in done.err + done.out
    assert not at.runs.exists()


def test_an_owner_killed_between_sending_and_recording_sends_the_same_again(
    at: Desk, sink: Sink
) -> None:
    owners: list[subprocess.Popen[str]] = []
    hooked(at, sink)

    def kill(said: Any) -> int:
        wait_for(lambda: owners)
        owners[0].kill()
        owners[0].wait()
        sink.before = lambda said: 200
        return 200

    sink.before = kill
    owners.append(at.start("dispatch", "manifest.toml"))
    assert owners[0].wait(60) == -signal.SIGKILL
    at.touch("open")
    at.run("resume", at.latest())
    keys = [key for key, _ in sink.heard]
    assert sink.events == ["run_dispatched", "run_dispatched", "run_finished"]
    assert keys[0] == keys[1] == f"{at.latest()}-2-0"


def test_an_end_that_no_sink_hears_costs_seconds_and_is_told_at_the_next_resume(
    at: Desk, sink: Sink
) -> None:
    hooked(at, sink).touch("open")

    def hang(said: Any) -> int:
        time.sleep(20)
        return 200

    sink.before = hang
    begun = time.monotonic()
    done = at.run("dispatch", "manifest.toml", "--json")
    assert done.code == 0
    assert time.monotonic() - begun < 12
    sink.before = lambda said: 200
    assert at.run("resume", done.json["run_id"]).code == 0
    assert sink.events[-2:] == ["run_dispatched", "run_finished"]


def test_what_is_dropped_is_told_by_status_why_and_events(at: Desk, sink: Sink) -> None:
    hooked(at, sink).touch("open")
    sink.before = lambda said: 410
    run = at.run("dispatch", "manifest.toml", "--json").json["run_id"]
    assert "2 notices dropped: it answered 410" in at.run("status", run).out
    assert at.run("status", run, "--json").json["notices_dropped"] == 2
    assert "Nobody will be told of 2 notices: it answered 410." in at.run("why", run).out
    assert "notice 2-0 is dropped: it answered 410" in at.run("events", run).out


def test_the_program_that_began_a_run_is_told_where_its_environment_says(
    at: Desk, sink: Sink
) -> None:
    at.gate().touch("open")
    at.environment["LEADHAND_PARENT_NOTIFY_URL"] = sink.url
    done = at.run("dispatch", "manifest.toml", "--json")
    assert sink.events == ["run_dispatched", "run_finished"]
    assert files_hold(at.runs, SECRET) == []
    assert SECRET not in done.out + done.err
    path = at.folder / "manifest.toml"
    path.write_text(f"{path.read_text()}\n[lifecycle]\nnotify = false\n")
    assert at.run("dispatch", "manifest.toml").code == 0
    assert len(sink.heard) == 2


ASKER = '''
from leadhand.testing import Reply, turn

def reply(request):
    if turn(request) == 0:
        asked = {"summary": "<!channel> *May* I?", "ttl_secs": 2}
        return Reply(calls=(("request_approval", asked),))
    return """1. STATUS: failed
2. COMPLETED
- none
3. DEFERRED OR FAILED
- none
4. COST SUMMARY
- none"""
'''


def test_a_question_is_told_and_told_again_when_half_of_its_time_is_over(
    at: Desk, sink: Sink
) -> None:
    hooked(at, sink)
    (at.folder / "model.py").write_text(ASKER)
    at.run("dispatch", "manifest.toml")
    wanted = ["run_dispatched", "approval_request", "approval_pending", "run_finished"]
    assert sink.events == wanted
    _, asked, pending, _ = (said for _, said in sink.heard)
    assert asked["approval"] == pending["approval"] == "A1"
    assert asked["question"] == "<!channel> *May* I?"
    assert (asked["secs_left"], asked["fallback"]) == (2, "auto_reject")


STARTER = """
import subprocess, sys
subprocess.run([sys.executable, "-m", "leadhand", "dispatch", "manifest.toml", "--background"])
sys.stdin.read()
"""


@pytest.mark.parametrize("survives", [True, False])
def test_a_run_in_the_background_drains_without_its_parent_where_it_is_to(
    survives: bool, at: Desk, sink: Sink
) -> None:
    table = f"[lifecycle]\nsurvive_parent = {str(survives).lower()}\n"
    hooked(at, sink, table).touch("obey")
    parent = subprocess.Popen(
        [sys.executable, "-c", STARTER],
        cwd=at.folder,
        env=at.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    line = json.loads(parent.stdout.readline())

    def drained() -> bool:
        return "RunDraining" in at.run("events", line["run_id"], "--json").out

    wait_for(lambda: at.asked() == 2)
    assert not drained()
    parent.kill()
    parent.wait()
    parent.stdin.close()
    parent.stdout.close()
    if survives:
        time.sleep(1.5)
        assert not drained()
    else:
        wait_for(drained)
    at.touch("open")
    wait_for(lambda: not Path(f"/proc/{line['pid']}").exists())
    status = at.run("status", line["run_id"], "--json").json["status"]
    assert status == ("succeeded" if survives else "partial")
