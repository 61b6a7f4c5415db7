"""Outcome: what a run has come to, for people and for programs."""

from pathlib import Path

import click
import msgspec
import pytest

from leadhand.api.result import ending
from leadhand.cli.outcome import Outcome, page, summary
from leadhand.domain import commands as c
from leadhand.domain.ids import ROOT
from leadhand.domain.manifest import Settings
from leadhand.engine.log import Stamped
from leadhand.workspace import UNCOMMITTED
from tests.rules.world import REPORT, World, manifest
from tests.views.kit import ESCAPES, world

RUNS = Path("/runs")


def of(run: World, *, interrupted: bool = False) -> Outcome:
    lead = [Stamped(at, event) for event, at in run.log if event.actor == ROOT]
    return Outcome(ending(run.run, lead), RUNS, interrupted)


def text(found: Outcome) -> str:
    return click.unstyle("\n".join(page(found)))


def ended(final: str = REPORT, outcome: c.Outcome = "completed", error: str = "") -> World:
    run = world()
    run.settled(label="a.py")
    run.turn()
    run.exit(outcome=outcome, final=final, error=error)
    run.perform()
    return run


@pytest.mark.parametrize(
    ("final", "status", "code"),
    [(REPORT, "succeeded", 0), (REPORT.replace("success", "partial"), "partial", 1)],
)
def test_the_exit_code_is_0_for_success_alone(final: str, status: str, code: int) -> None:
    found = of(ended(final))
    assert (found.ending.status, found.exit_code, found.resume) == (status, code, "")
    assert of(ended(final), interrupted=True).exit_code == 130


def test_a_run_that_is_not_over_was_interrupted() -> None:
    run = world()
    run.turn(words="I begin.")
    found = of(run)
    assert (found.ending.status, found.exit_code) == ("interrupted", 130)
    assert "The lead's last words\n  I begin." in text(found)
    assert text(found).endswith(f"interrupted after 0:00. To go on: {found.resume}")
    assert "summary.json" not in text(found)
    assert summary(found)["resume"].startswith("leadhand resume run")


def test_the_page_has_the_report_the_cost_and_the_files() -> None:
    shown = text(of(ended()))
    assert "Report\n  1. STATUS: success\n  2. COMPLETED:\n  - W1 — a.py — has no faults" in shown
    lines = shown.splitlines()
    costs = [line.split() for line in lines[lines.index("Cost") + 1 :]]
    assert costs[0] == ["actor", "state", "turns", "in", "out", "cost"]
    assert costs[1][:4] == ["root", "lead", "Success", "1"]
    assert costs[2][:4] == ["root/W1", "a.py", "Success", "1"]
    assert costs[3][:2] == ["all", "2"]
    assert costs[3][-2:] == ["of", "$5.00"]
    assert "  transcripts  /runs/run/transcripts" in lines
    assert "disagrees" not in shown


def test_each_point_in_which_the_log_disagrees_is_a_line() -> None:
    shown = text(of(ended(REPORT.replace("W1", "W7"))))
    assert "The log disagrees in 2 points\n  W7: there is no such worker in this run" in shown


def test_a_lead_without_a_report_gets_the_one_that_was_written_for_it() -> None:
    run = world()
    run.settled(label="a.py")
    failed = run.spawn(label="b.py")
    run.turn(failed)
    run.exit(failed, "failed", "", "it broke")
    run.turn(words="I am lost.")
    run.exit(outcome="failed", final="", error="model error: 500")
    run.perform()
    shown = text(of(run))
    assert "The lead's last words\n  I am lost.\n" in shown
    assert "The lead settled as Failed: model error: 500" in shown
    written = shown.partition("Report, written from the log because the lead gave none\n")[2]
    assert written.startswith(
        "  1. STATUS: partial\n  2. COMPLETED\n  - root/W1 — a.py — done\n"
        "  3. DEFERRED OR FAILED\n  - root/W2 — b.py — Failed: it broke\n  4. COST SUMMARY\n"
    )


def test_programs_get_the_report_and_every_task() -> None:
    found = msgspec.json.decode(msgspec.json.encode(summary(of(ended()))))
    assert (found["status"], found["report_by"], found["mismatches"]) == ("succeeded", "lead", [])
    assert found["final_message"] == REPORT
    assert [task["log_path"] for task in found["tasks"]] == [
        "/runs/run/transcripts/root.jsonl",
        "/runs/run/transcripts/root.W1.jsonl",
    ]


def test_of_a_reopened_run_the_last_report_counts() -> None:
    run = world()
    run.turn()
    run.do(c.DrainRun())
    run.exit(final=REPORT.replace("success", "partial").replace("W1", "W9"))
    run.perform()
    assert of(run).resume.startswith("leadhand resume run")
    run.do(c.OwnRun(2, "ann"))
    run.do(c.ReopenRun())
    assert of(run).ending.checked is None
    assert of(run).exit_code == 130


def test_many_workers_are_summed_up() -> None:
    run = world(max_workers=16)
    for _ in range(40):
        run.settled()
    run.exit(final="gone")
    shown = text(of(run))
    assert "  21 more" in shown
    assert shown.count("root/W") == 19


def test_no_text_of_a_model_takes_over_the_terminal() -> None:
    run = ended(f"{ESCAPES}\n{REPORT}")
    assert "\x1b" not in text(of(run))


def test_a_run_that_ran_out_of_budget_says_what_takes_it_up_again() -> None:
    found = of(ended("", "budget", "budget exceeded"))
    assert (found.exit_code, found.resume) == (1, "")
    assert "failed after 0:00. It ran out of budget; to go on with more: leadhand resume" in text(
        found
    )
    assert text(found).endswith(" --budget-usd AMOUNT")
    assert summary(found)["ran_out_of"] == ["budget"]


def test_the_page_says_which_worktrees_were_kept_and_how_to_merge_them() -> None:
    run = World(manifest(lead=Settings(directory="/re po", use_worktree=True)))
    worker = run.spawn(directory="/runs/run/worktrees/root/sub", use_worktree=True)
    for actor in (ROOT, worker):
        run.do(c.RecordWorkspace(actor, f"leadhand/run/{actor}", "abc", "/re po/.git"))
        run.do(c.RecordWorkspaceMade(actor))
    for actor, final in ((worker, "done"), (ROOT, REPORT)):
        run.turn(actor)
        run.exit(actor, final=final)
    run.do(c.RecordTidied(worker, f"{UNCOMMITTED}: a.md; 1 commit not merged"))
    run.do(c.RecordTidied(ROOT))
    run.perform()
    assert (
        "Worktrees that were kept\n"
        "  root/W1  /runs/run/worktrees/root.W1\n"
        "    it holds what is not committed: a.md; 1 commit not merged\n"
        "    git -C /runs/run/worktrees/root.W1 add --all"
        " && git -C /runs/run/worktrees/root.W1 commit -m 'Work of root/W1'\n"
        "    git -C '/re po' merge leadhand/run/root/W1\n"
    ) in text(of(run))
    [lead, kept] = summary(of(run))["tasks"]
    assert (lead.worktree_path, kept.worktree_path) == (None, "/runs/run/worktrees/root.W1")
