"""Timeline: every kind of event has its words, for people and for programs."""

from typing import get_args

import msgspec
import pytest

from leadhand.domain import events as e
from leadhand.domain.contract import Delivery, Evidence
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.manifest import HouseRules, Lead, Manifest
from leadhand.views.timeline import TEXTS, entry, fields
from tests.views.kit import ESCAPES, at

KINDS = get_args(e.AnyEvent)
W1, W2 = ActorId("root/W1"), ActorId("root/W2")

HELD = Evidence("files", "a", ok=True)


def told(event: e.Event) -> str:
    return entry(at(), event).text


def test_every_kind_of_event_has_its_words() -> None:
    assert set(TEXTS) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_of_any_kind_is_told_in_one_line(kind: type[e.Event]) -> None:
    shown = entry(at(7, 1_700_000_000_000), kind(W1))
    assert (shown.seq, shown.wall_ms, shown.actor) == (7, 1_700_000_000_000, "root/W1")
    assert shown.text
    assert "\n" not in shown.text


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (
            e.ActorSpawned(
                ActorId("root/S1"),
                parent=ROOT,
                role="sublead",
                label="phase",
                envelope=500_000_000,
                max_workers=2,
            ),
            "spawned by root as a sub-lead with $0.50 and at most 2 workers: phase",
        ),
        (
            e.RunStarted(manifest=Manifest(Lead("digest", "go"), HouseRules(max_workers=1))),
            "the run began: lead digest, at most 1 worker at a time, $5.00, 1 h",
        ),
        (e.RunOwned(who="ann", acts=False), "ann left a command for it"),
        (
            e.HouseChanged(house=HouseRules(max_workers=2), raised=("time",)),
            "the house rules were changed: at most 2 workers at a time, $5.00, 1 h; more time",
        ),
        (e.PathsMapped(W1, pairs=(("/a", "/b"),)), "paths moved: /a is now /b"),
        (e.ActorSpawned(ROOT, role="lead", label="digest"), "started as lead: digest"),
        (
            e.ActorSpawned(W1, parent=ROOT, prompt="Read\nit all.", agent="reader", envelope=10**9),
            "spawned by root as reader with $1.00: Read it all.",
        ),
        (e.WaitOpened(ROOT, targets=(W1, W2), any=True), "waits for the first of W1 and W2"),
        (e.WaitOpened(ROOT, targets=(W1,)), "waits for W1"),
        (
            e.TurnRecorded(
                W1,
                cost=10**7,
                intents=(
                    e.Intent(CallId("a"), "Read", step="Read a"),
                    e.Intent(CallId("b"), "Bash"),
                ),
            ),
            "calls Read a and Bash ($0.01)",
        ),
        (
            e.EntryPut(W1, layer=ROOT, path="/shared/n", version=2, value="[1, 2]"),
            "wrote /shared/n (version 2): [1, 2]",
        ),
        (
            e.EntryPut(W1, layer=ROOT, path="/ref/spec", size=9_000, blob="blob:x"),
            "wrote /ref/spec (version 1): 9,000 bytes",
        ),
        (e.WaitOpened(W1, path="/shared/n", min_version=2), "waits for /shared/n, version 2"),
        (e.WaitOpened(W1, lease="root|a.py"), "waits for the lease a.py"),
        (e.LeaseGranted(W1, lease="root|a.py", fence=7), "holds the lease a.py (fence 7)"),
        (e.LeaseReleased(W1, lease="|a"), "released the lease a (of the whole run)"),
        (e.TurnRecorded(W1, words="All\ndone."), "says All done."),
        (e.ActorSettled(W1, final="All done."), "succeeded: All done."),
        (e.ActorSettled(W1, status="Failed", error="it is down"), "settled as Failed: it is down"),
        (
            e.ReportChecked(ROOT, report=e.Report("success"), mismatches=("W9: no such worker",)),
            "its report says success, the log disagrees in 1 point: W9: no such worker",
        ),
        (
            e.ReportChecked(ROOT, by="runtime", report=e.Report("failed")),
            "a report written from the log says failed",
        ),
        (
            e.CallAdmitted(W1, model="script:/a/b.py:reply", bound=10**9, final=True),
            "asks script:b.py:reply, at most $1.00, for the last time",
        ),
        (e.CallAdmitted(W1, model="local"), "asks local"),
        (
            e.WorkspaceChosen(W1, branch="x", base="0123456789abcdef", notes=("lib is empty",)),
            "works in a worktree on the branch x from 0123456789ab; lib is empty",
        ),
        (e.ActorSettled(W1, final="Yes.", outcome="verified"), "succeeded, verified: Yes."),
        (e.OutcomeReported(W1, delivery=Delivery("partial", "Half.")), "reports partial: Half."),
        (
            e.OutcomeReported(W1, delivery=Delivery("blocked", "No."), by="file"),
            "reports blocked by its status file: No.",
        ),
        (e.ChecksRecorded(W1), "nothing was there to be checked"),
        (e.ChecksRecorded(W1, evidence=(HELD, HELD)), "2 checks of its work hold"),
        (e.ChecksRecorded(W1, evidence=(HELD,)), "1 check of its work holds"),
        (
            e.ChecksRecorded(W1, evidence=(Evidence("writes", "b", ok=False, detail="new"), HELD)),
            "1 of 2 checks fail: writes b: new",
        ),
        (e.WorkspaceKept(W1, why="1 commit not merged"), "its worktree stays: 1 commit not merged"),
    ],
)
def test_an_event_is_told_as_people_would_tell_it(event: e.Event, text: str) -> None:
    assert told(event) == text


def test_the_short_form_shows_that_work_goes_on_and_what_goes_wrong() -> None:
    steps = [
        e.ActorSpawned(W1),
        e.TurnRecorded(W1, intents=(e.Intent(CallId("a"), "Read"),)),
        e.ToolReturned(W1, is_error=True),
        e.ActorSettled(W1),
        e.RunDraining(),
        e.SpawnRefused(ROOT, code="draining"),
    ]
    details = [e.CallAdmitted(W1), e.ToolReturned(W1), e.TurnRecorded(W1), e.MessageSent(W1)]
    assert all(entry(at(), each).step for each in steps)
    assert not any(entry(at(), each).step for each in details)


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_of_any_kind_is_one_object_for_programs(kind: type[e.Event]) -> None:
    found = msgspec.json.decode(msgspec.json.encode(fields(at(3, 0, 42), kind(W1))))
    assert [*found][:5] == ["seq", "at", "run_ms", "actor", "type"]
    assert found["seq"] == 3
    assert found["at"] == "1970-01-01T00:00:00.000+00:00"
    assert (found["run_ms"], found["actor"], found["type"]) == (42, "root/W1", kind.__name__)


def test_an_object_for_programs_has_the_fields_of_its_event() -> None:
    found = fields(at(), e.RunCancelled(reason="enough", by="operator"))
    assert (found["actor"], found["reason"], found["by"]) == ("", "enough", "operator")
    assert fields(at(), e.WaitOpened(ROOT, targets=(W1,), until=5))["targets"] == ("root/W1",)


def test_no_event_takes_over_the_terminal() -> None:
    for event in (
        e.MessageSent(W1, text=ESCAPES),
        e.ActorSettled(W1, final=ESCAPES),
        e.ToolReturned(W1, content=ESCAPES),
        e.ActorSpawned(W1, label=ESCAPES),
    ):
        assert "\x1b" not in told(event)
