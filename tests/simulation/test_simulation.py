"""Simulation: whole runs from seeds, with bad luck and crashes, checked at every event."""

import os
import re
import subprocess
import sys

import pytest

from leadhand.testing.simulate import Outcome, main, simulate

FEW = range(8)
# Each showed a defect once: a call that slept on beside freed money, a disk that fills up at last,
# a worker whose conversation was compacted between its report and a message.
FOUND = (17196, 12734, 169)
SEEDS = 1_000
PART = 50
# What must happen in so many runs, or they test less than they say.
KINDS = frozenset(
    """ActorContinued ActorEnding ActorExpired ActorPaused ActorReprompted ActorSettled
    ActorSpawned ActorUnpaused ApprovalAnswered ApprovalAsked ApprovalUsed BoundExceeded
    CallAdmitted CallCut CallDeferred DeadlineNeared EntryPut HouseChanged LeaseExpired
    LeaseGranted LeaseLeft LeaseReleased LeaseRenewed MessageSent PathsMapped PoliciesChanged
    ReportAsked ReportChecked RunCancelled RunDraining RunFinished RunOwned RunReopened
    RunStarted SessionCrashed SessionHalted SpawnRefused ToolReturned TurnRecorded WaitOpened
    WindDownBegan WrapUpAsked""".split()
)


def simulated(seed: int, crashes: int | None = 2) -> Outcome:
    """The outcome of a seed; a failure names it."""
    try:
        return simulate(seed, crashes)
    except Exception as error:
        error.add_note(f"python -m leadhand.testing.simulate --seeds {seed}")
        raise


def test_a_few_seeds() -> None:
    for seed in (*FEW, *FOUND):
        simulated(seed)


def test_the_same_seed_makes_the_same_log_in_every_process() -> None:
    code = "from leadhand.testing.simulate import simulate; print(simulate(3, 0).digest)"
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            text=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert digests == {simulated(3, 0).digest}


def test_a_failure_is_printed_with_its_seed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadhand.domain.rules.caps.places", lambda run, lead: 99)
    assert main(["--seeds", "0:40", "--crashes", "0"]) == 1
    told = capsys.readouterr().out
    failed = re.findall(r"(?m)^seed (\d+): Broken: event ", told)
    assert failed
    assert "more workers are live than there are places" in told
    assert f"failed: {' '.join(failed)}\n" in told


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, PART))
def test_a_thousand_seeds_each_with_two_crashes(first: int) -> None:
    for seed in range(first, first + PART):
        simulated(seed)


@pytest.mark.slow
def test_all_that_can_happen_happens_in_some_seeds() -> None:
    missing = set(KINDS)
    for seed in range(SEEDS):
        missing -= simulated(seed, 0).kinds.keys()
        if not missing:
            return
    pytest.fail(f"never happened: {sorted(missing)}")


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(0, 400, PART))
def test_crashes_at_every_commit(first: int) -> None:
    for seed in range(first, first + PART):
        simulated(seed, None)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(SEEDS, 20_000, 500))
def test_many_more_seeds(first: int) -> None:
    for seed in range(first, first + 500):
        simulated(seed)
