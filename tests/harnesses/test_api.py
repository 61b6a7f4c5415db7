"""Api: the in-process session, from its first call to its settlement, and after a crash."""

from pathlib import Path

from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId
from leadhand.model import Request
from leadhand.stores.memory import Memory, MemoryStore
from leadhand.testing import Reply, done, prompt
from tests.seeds.kit import (
    LEAD,
    RULES,
    Part,
    calls,
    cast,
    go_on,
    got,
    play,
    report,
    spawn,
    told,
    wait,
)

MANIFEST = RULES + LEAD.replace("claude-haiku-4-5", "script:x.py:f")
W1 = ActorId("root/W1")


def one_worker(request: Request) -> Part:
    """A lead that starts one worker and reports."""
    yield calls(spawn("work", max_turns=3))
    yield calls(wait("W1"))
    return report("partial")


def test_a_session_ends_with_the_first_answer_that_calls_no_tool(tmp_path: Path) -> None:
    def worker(request: Request) -> Reply:
        return Reply(text="all done") if done(request) else calls(("Glob", {"pattern": "*"}))

    ended = play(MANIFEST, cast(one_worker, worker), tmp_path)
    record = ended.run.records[W1]
    assert (record.status, record.turns, record.preview) == ("Success", 2, "all done")


def test_an_empty_answer_is_a_failure(tmp_path: Path) -> None:
    ended = play(MANIFEST, cast(one_worker, lambda request: ""), tmp_path)
    assert ended.run.records[W1].error == "the model gave an empty answer"


def test_max_turns_is_told_before_it_is_held(tmp_path: Path) -> None:
    said: list[str] = []

    def worker(request: Request) -> Reply:
        said.append(told(request))
        return Reply(text="going on", calls=(("Glob", {"pattern": "*"}),))

    ended = play(MANIFEST, cast(one_worker, worker), tmp_path)
    record = ended.run.records[W1]
    assert (record.status, record.turns) == ("Failed", 3)
    assert record.error.startswith("max_turns reached")
    assert "This is your last turn" in said[2]
    assert "This is your last turn" not in said[1]
    assert record.preview == "going on"


def test_a_lead_that_ends_without_a_report_is_asked_once(tmp_path: Path) -> None:
    said: list[str] = []

    def lead(request: Request) -> Part:
        request = yield Reply(text="Let me know if you need anything else!")
        said.append(told(request))
        return report("success")

    ended = play(MANIFEST, cast(lead), tmp_path)
    assert "Your last message is not a final report" in said[0]
    assert len(ended.all(e.ReportAsked)) == 1
    assert (ended.checked.by, ended.run.status) == ("lead", "succeeded")


def test_a_lead_that_never_reports_gets_one_from_the_log(tmp_path: Path) -> None:
    def lead(request: Request) -> Part:
        yield calls(spawn("work", label="the input"))
        yield calls(wait("W1"))
        yield Reply(text="Bye.")
        return "Bye again."

    ended = play(MANIFEST, cast(lead, lambda request: "the result"), tmp_path)
    assert ended.checked.by == "runtime"
    (item,) = ended.checked.report.completed
    assert (item.worker_id, item.input, item.result) == ("root/W1", "the input", "the result")


def test_a_durable_final_answer_is_not_asked_for_again(tmp_path: Path) -> None:
    asked: list[str] = []
    memory = Memory()

    def script(request: Request) -> Reply:
        asked.append(request.actor_id)
        return Reply(text=report("success"))

    first = play(MANIFEST, script, tmp_path, store=MemoryStore(memory))
    turn = next(seq for seq, each in enumerate(first.events, 1) if isinstance(each, e.TurnRecorded))
    copy = memory.copy(first.run.id, turn)
    ended = go_on(first, script, MemoryStore(copy))
    assert ended.run.status == "succeeded"
    assert asked == [ROOT]


def test_tools_with_effects_are_not_repeated_and_reading_ones_are(tmp_path: Path) -> None:
    memory = Memory()
    shown: list[list[str]] = []

    def script(request: Request) -> Reply:
        if prompt(request) != "Go." or not done(request):
            return calls(
                ("Glob", {"pattern": "*.txt"}), ("Write", {"file_path": "a.txt", "content": "x"})
            )
        shown.append([each.text for each in got(request)])
        return Reply(text=report("success"))

    first = play(MANIFEST, script, tmp_path, store=MemoryStore(memory))
    (tmp_path / "a.txt").unlink()
    turn = next(seq for seq, each in enumerate(first.events, 1) if isinstance(each, e.TurnRecorded))
    ended = go_on(first, script, MemoryStore(memory.copy(first.run.id, turn)))
    assert ended.run.status == "succeeded"
    assert not (tmp_path / "a.txt").exists()
    glob, write = sorted(shown[1], key=lambda text: text.startswith("interrupted"))
    assert write.startswith("interrupted, outcome unknown")
    assert "Check before you repeat it" in write
    assert glob
