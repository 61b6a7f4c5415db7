"""Continued: what must hold of a run that goes on after its owner was killed."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, CallId
from leadhand.domain.invariants import broken
from leadhand.stores import codec
from leadhand.testing.verdicts import bills
from tests.kill import script
from tests.kill.stage import Left, Stage

NEVER_BEGAN = Left("None", {}, {}, set(), {"README.md": "A repository.\n"}, ())


def goes_on(stage: Stage, resume: Callable[[], int]) -> int:
    """Resume, and check that nothing is asked again whose answer is durable; the exit code."""
    assert stage.alive() == [], "the keeper leaves nobody behind"
    return repeats_nothing(stage, resume)


def repeats_nothing(stage: Stage, resume: Callable[[], int]) -> int:
    """Resume, whoever may be alive, and check what is asked; the exit code."""
    stage.road.rest()
    state, before = stage.state(), stage.asked()
    assert broken(state) == []
    admitted = {each.call for each in stage.events() if isinstance(each, e.CallAdmitted)}
    left_early = {each.call for each in before} - admitted
    assert not left_early, f"{left_early} left before their admission was durable"
    answered: dict[str, int] = {each.id: each.turns for each in state.actors.values()}
    answered |= {each.id: each.turns for each in state.records.values()}
    stage.in_flight |= {(each.id, each.turns) for each in state.actors.values() if each.call}
    cut_off = {each.call.id for each in state.actors.values() if each.call}
    code = resume()
    stage.road.rest()
    paid_whole(stage.events(), cut_off, all_of_them=code == 0)
    again = stage.asked()[len(before) :]
    for asking in again:
        assert asking.turn >= answered.get(asking.actor, 0), f"{asking} was answered before"
    repeats = {(a.actor, a.turn) for a in before} & {(a.actor, a.turn) for a in again}
    assert len({(a.actor, a.turn) for a in again}) == len(again), f"one asked twice: {again}"
    assert repeats <= stage.in_flight, f"{repeats - stage.in_flight} were not in flight"
    assert len({asking.call for asking in stage.asked()}) == len(stage.asked())
    return code


def paid_whole(events: Sequence[e.Event], calls: set[CallId], *, all_of_them: bool) -> None:
    """The calls that a kill cut off count as spent whole. all_of_them: the next owner has come far
    enough to settle each."""
    bounds = {each.call: each.bound for each in events if isinstance(each, e.CallAdmitted)}
    cut = {each.call: each.charged for each in events if isinstance(each, e.CallCut)}
    for call in calls if all_of_them else calls & set(cut):
        assert cut[call] == bounds[call] > 0, f"{call}: {cut[call]} of {bounds[call]} was charged"


def unpaid(stage: Stage) -> list[str]:
    """What is wrong with the money of a run that is over: each call is settled once, and all
    that was booked is all that was spent."""
    settled = list(bills(stage.events()))
    wrong = [call for call, bill in settled if bill.ends != 1]
    booked, spent = sum(bill.booked for _, bill in settled), stage.state().spent
    return wrong if booked == spent else [*wrong, f"{booked} was booked, {spent} spent"]


def ends_by_the_command_line(stage: Stage) -> None:
    """Resume as a user does, and compare with a run that nobody disturbed."""
    if stage.state().manifest is None:
        told = stage.cli("resume", stage.run_id)
        assert told.returncode == 2
        assert "never began" in told.stderr
        assert stage.asked() == []
        assert stage.left() == NEVER_BEGAN
        return

    assert goes_on(stage, lambda: resumed(stage)) == 0
    ended_well(stage)


def resumed(stage: Stage) -> int:
    """Resume as a user does; the exit code."""
    told = stage.cli("resume", stage.run_id, "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    assert json.loads(told.stdout)["status"] == "succeeded"
    return told.returncode


def ended_well(stage: Stage) -> None:
    """The run has left what it always leaves, each line once, its records, and no process."""
    assert stage.alive() == []
    for name, left, usual in zip(Left._fields, stage.left(), undisturbed(), strict=True):
        assert left == usual, f"{name}: {left} instead of {usual}"
    assert set(stage.lines().values()) == {1}, "a line was appended twice"
    folder = stage.run_dir / stage.run_id
    records = [json.loads(line) for line in lines(folder / "summary.jsonl")]
    assert sorted(each["task_id"] for each in records) == sorted(undisturbed().statuses)
    assert json.loads((folder / "summary.json").read_text())["status"] == "succeeded"
    for each in records:
        assert lines(Path(each["log_path"])), "a transcript is complete"
        assert json.loads(lines(Path(each["log_path"]))[-1])["type"] == "settled"
        assert doubled(Path(each["log_path"])) == []
    assert list((folder / "live").iterdir()) == []
    assert broken(stage.state()) == []
    assert dangling(stage) == []
    assert unpaid(stage) == []
    assert asked_in_vain(stage.events()) == {}


def asked_in_vain(events: Sequence[e.Event]) -> dict[str, int]:
    """How many turns more than usual each actor took, where nothing gave it reason to."""
    if any(isinstance(each, e.RunDraining) for each in events):
        return {}
    turns = Counter[str](each.actor for each in events if isinstance(each, e.TurnRecorded))
    usual = Counter({actor: 6 if actor == ROOT else 4 for actor in undisturbed().statuses})
    for each in events:
        if isinstance(each, e.ToolReturned) and "outcome unknown" in each.content:
            # One turn to look, one to do it again.
            usual[each.actor] += 2
    return dict(turns - usual)


def doubled(transcript: Path) -> list[str]:
    """The lines of a transcript whose event is told more than once."""
    seen = Counter(json.loads(line)["seq"] for line in lines(transcript))
    return [f"{transcript.name}: event {seq}" for seq, count in seen.items() if count > 1]


def dangling(stage: Stage) -> list[str]:
    """The blobs that events name and that are not there, or not what their name says."""
    # Reading the events has read those that are blobs themselves.
    told = b"".join(map(codec.encode, stage.events())).decode()
    named = set(re.findall(r"blob:([0-9a-f]{64})", told))
    assert named, "the script spills nothing: it does not try blobs"
    files = {path.name: path for path in (stage.run_dir / stage.run_id / "blobs").rglob("*")}
    return [
        name
        for name in named
        if name not in files or hashlib.sha256(files[name].read_bytes()).hexdigest() != name
    ]


def lines(path: Path) -> list[str]:
    """The lines of a file."""
    return path.read_text().splitlines()


def undisturbed() -> Left:
    """What the script leaves where nobody is killed; a test holds it against such a run."""
    names = script.NAMES
    workers = [f"root/W{number}" for number in (1, 2, 3)]
    finals = {w: script.last_words(n) for w, n in zip(workers, names, strict=True)}
    completed = [f"{w} {n} written" for w, n in zip(workers, names, strict=True)]
    tasks = {(w, n, f"work as {n} here") for w, n in zip(workers, names, strict=True)}
    files = {f"{name}.log": f"{name}\n" for name in names}
    files |= {f"{name}.md": f"# {name}\n" for name in names}
    return Left(
        "succeeded",
        dict.fromkeys([*workers, "root"], "Success"),
        finals | {"root": script.REPORT},
        tasks | {("root", "killed", "Have three files written.")},
        files | {"README.md": "A repository.\n", "SUMMARY.md": "- ada\n- bob\n- cleo\n"},
        ("lead", "success", *completed),
    )
