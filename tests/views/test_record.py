"""Record: what is kept of a settled actor and of a finished run, as programs read it."""

from pathlib import Path

import msgspec
import pytest

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT
from leadhand.domain.money import Usage
from leadhand.domain.state import Workspace
from leadhand.folder import Folder
from leadhand.views.record import iso, summary, task_record, tokens
from tests.rules.world import REPORT, World
from tests.views.kit import HAIKU, world

FOLDER = Folder(Path("/runs/run"))


def finished() -> World:
    """A run of one good and one bad worker."""
    run = world()
    run.turn(usage=Usage(10, 20, 30, 40))
    run.settled(label="good")
    bad = run.spawn(label="bad")
    run.later(secs=2).turn(bad)
    run.later(secs=3).exit(bad, "failed", "gave up", "it broke")
    run.exit(final=REPORT)
    run.perform()
    return run


def test_an_instant_is_iso_8601_in_utc() -> None:
    assert iso(1_700_000_000_123) == "2023-11-14T22:13:20.123+00:00"


def test_a_task_record_has_every_field_that_was_promised() -> None:
    run = finished()
    found = msgspec.to_builtins(task_record(run.run, run.record("root/W2"), FOLDER))
    assert found == {
        "task_id": "root/W2",
        "parent_task_id": "root",
        "path": "root/W2",
        "role": "worker",
        "label": "bad",
        "status": "Failed",
        "exit_code": 1,
        "started_at": "2023-11-14T22:13:22.000+00:00",
        "ended_at": "2023-11-14T22:13:25.000+00:00",
        "duration_ms": 3_000,
        "model": HAIKU,
        "harness": "api",
        "token_usage": {"input": 10, "output": 10, "cache_read": 0, "cache_creation": 0},
        "cost_usd": 0.00006,
        "worktree_path": None,
        "branch": None,
        "session_id": "run/root/W2",
        "final_message_preview": "gave up",
        "error": "it broke",
        "turns": 1,
        "log_path": "/runs/run/transcripts/root.W2.jsonl",
        "stint": 1,
        "outcome": "unverified",
        "reported": "",
        "evidence": (),
        "report": None,
    }


def test_the_lead_has_no_parent() -> None:
    run = finished()
    assert task_record(run.run, run.record(), FOLDER).parent_task_id is None
    assert task_record(run.run, run.record(), FOLDER).exit_code == 0


def test_tokens_are_told_by_kind() -> None:
    assert tokens(Usage(1, 2, 3, 4)) == {
        "input": 1, "output": 2, "cache_read": 3, "cache_creation": 4,
    }  # fmt: skip


def test_a_summary_has_the_report_the_mismatches_and_every_task() -> None:
    run = finished()
    checked = run.of(e.ReportChecked)[-1]
    tasks = [task_record(run.run, each, FOLDER) for each in run.run.records.values()]
    found = summary(run.run, checked, tasks)
    assert (found.run_id, found.status, found.report_by) == ("run", "partial", "lead")
    assert found.report is not None
    assert found.report.status == "success"
    assert any("root/W2" in mismatch for mismatch in found.mismatches)
    assert [task.task_id for task in found.tasks] == ["root", "root/W1", "root/W2"]
    assert sum(task.cost_usd for task in found.tasks) == pytest.approx(found.cost_usd)
    assert found.models == {HAIKU: pytest.approx(found.cost_usd)}
    assert found.ended_at == iso(run.now.wall_ms)
    assert msgspec.json.decode(msgspec.json.encode(found))["budget_usd"] == 5.0


def test_tasks_are_in_the_order_of_their_numbers() -> None:
    run = world(max_workers=16)
    for _ in range(11):
        run.settled()
    tasks = [task_record(run.run, each, FOLDER) for each in run.run.records.values()]
    ids = [task.task_id for task in summary(run.run, None, tasks[::-1]).tasks]
    assert ids[1:3] == ["root/W2", "root/W3"] or ids[0:2] == ["root/W1", "root/W2"]
    assert ids[-1] == "root/W11"


def test_a_run_that_goes_on_has_no_end_and_no_report() -> None:
    run = world()
    run.do(c.DrainRun())
    found = summary(run.run, None, [])
    assert (found.status, found.ended_at, found.report, found.mismatches) == (
        "running",
        None,
        None,
        (),
    )


def test_a_task_record_names_the_worktree_until_it_is_removed() -> None:
    run = finished()
    for own, place in (
        (Workspace("/repo", "x", "made"), ("/runs/run/worktrees/root", "x")),
        (Workspace("/repo", "x", "kept"), ("/runs/run/worktrees/root", "x")),
        (Workspace("/repo", "x", "removed"), (None, None)),
    ):
        run.run.workspaces[ROOT] = own
        found = task_record(run.run, run.record(), FOLDER)
        assert (found.worktree_path, found.branch) == place
