"""Resume changes: a run goes on with more, with less, elsewhere, or with fresh workers."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Shelf
from tests.cli.kit import Desk, Done, desk, ended, wait_for

pytestmark = pytest.mark.slow

# A lead that gives three jobs to workers of $0.40 each, and reports what the budget refused. Told
# that there is more, it gives the rest. Each request of anybody is a line in `asked`.
POOR = """
import pathlib
from leadhand.model import Prose
from leadhand.testing import Reply, done, prompt, turn

HERE = pathlib.Path(__file__).parent

def reply(request):
    with (HERE / "asked").open("a") as asked:
        asked.write(f"{request.actor_id} {turn(request)}\\n")
    if prompt(request).startswith("work"):
        return "Done."
    tries = done(request, "spawn_worker")
    good = [each for each in tries if not each.is_error]
    told = [block.text for block in request.messages[-1].blocks if isinstance(block, Prose)]
    if not tries or (len(good) < 3 and any("budget ran out" in each for each in told)):
        left = [n for n in (1, 2, 3) if n > len(good)]
        args = [{"prompt": f"work {n}", "label": f"job {n}", "budget_usd": 0.4} for n in left]
        return Reply(calls=tuple(("spawn_worker", each) for each in args))
    workers = [each.json["worker_id"] for each in good]
    waited = {each.json["worker_id"] for each in done(request, "wait_actor")}
    waiting = [each for each in workers if each not in waited]
    if waiting:
        return Reply(calls=tuple(("wait_actor", {"actor_id": each}) for each in waiting))
    items = "\\n".join(f"- {each} — a job — is done" for each in workers) or "- none"
    left = "- none" if len(workers) == 3 else "- the rest: budget exceeded"
    status = "success" if len(workers) == 3 else "partial"
    return (f"1. STATUS: {status}\\n2. COMPLETED\\n{items}\\n3. DEFERRED OR FAILED\\n{left}\\n"
            "4. COST SUMMARY\\n- none")
"""
SLOW = """
async def slow():
    import asyncio
    await asyncio.sleep(60)
"""
POOR_MANIFEST = """
[run]
max_workers = 4
budget_usd = 1.00
lead_timeout_secs = 600
[defaults]
model = "script:model.py:reply"
[[lead]]
id = "poor"
directory = "."
prompt = "Have three jobs done."
[prices."script:model.py:reply"]
input = 1.00
output = 1.00
"""


def poor(at: Desk) -> Done:
    """Dispatch a run whose budget has room for two of its three jobs."""
    (at.folder / "model.py").write_text(POOR)
    (at.folder / "manifest.toml").write_text(POOR_MANIFEST)
    return at.run("dispatch", "manifest.toml", "--json")


def requests(at: Desk) -> list[str]:
    """The requests so far: who asked, and for which turn."""
    return (at.folder / "asked").read_text().splitlines()


def killed(at: Desk) -> str:
    """Dispatch the gated manifest and kill its owner when two workers are under way."""
    dispatch = at.gate().gated()
    dispatch.kill()
    dispatch.wait()
    return at.latest()


def happened(at: Desk, run: str) -> list[str]:
    """The kinds of a run's events."""
    return [each["type"] for each in at.run("events", run, "--json").lines]


# --- more


def test_a_run_that_ran_out_of_budget_goes_on_with_more_and_pays_nothing_twice(at: Desk) -> None:
    first = poor(at)
    assert (first.code, first.json["status"]) == (1, "partial")
    assert (first.json["ran_out_of"], first.json["resume"]) == (["budget"], None)
    run, spent, asked = first.json["run_id"], first.json["cost_usd"], requests(at)
    assert [line for line in asked if "W" in line] == ["root/W1 0", "root/W2 0"]

    again = at.run("resume", run, "--json")
    assert (again.code, again.json["cost_usd"]) == (1, spent)
    assert requests(at) == asked
    shown = at.run("resume", run).out
    assert f"It ran out of budget; to go on with more: leadhand resume {run}" in shown
    assert "--budget-usd AMOUNT" in shown

    more = at.run("resume", run, "--budget-usd", "2.50", "--json")
    assert (more.code, more.json["status"], more.json["budget_usd"]) == (0, "succeeded", 2.5)
    fresh = requests(at)[len(asked) :]
    assert fresh[0].split()[0] == "root"
    assert [line for line in fresh if "W" in line] == ["root/W3 0"]
    assert len(set(requests(at))) == len(requests(at))
    assert sorted(each["path"] for each in more.json["tasks"]) == [
        "root",
        "root/W1",
        "root/W2",
        "root/W3",
    ]
    assert more.json["cost_usd"] > spent
    assert at.run("resume", run).code == 0


def test_why_says_what_would_take_a_run_up_again(at: Desk) -> None:
    run = poor(at).json["run_id"]
    told = " ".join(at.run("why", run).out.split())
    assert "It ran out of budget: `leadhand resume" in told
    assert "takes it up again with more" in told


def test_too_little_is_refused_with_the_figures_and_the_run_stays_as_it_is(at: Desk) -> None:
    run = poor(at).json["run_id"]
    before = at.run("events", run).out
    for words in (("--budget-usd", "0.01"), ("--budget-usd", "1.00"), ("--max-workers", "9")):
        done = at.run("resume", run, *words)
        assert (done.code, done.out) == (2, "")
        assert "the run is already finished: partial. It ran out of budget" in done.err
        assert done.err.count("\n") == 1
    assert at.run("events", run).out == before


def test_a_run_that_is_under_way_takes_no_less_than_is_set_aside(at: Desk) -> None:
    (at.folder / "model.py").write_text(POOR.replace('return "Done."', "return slow()") + SLOW)
    (at.folder / "manifest.toml").write_text(POOR_MANIFEST)
    dispatch = at.start("dispatch", "manifest.toml")
    wait_for(lambda: (at.folder / "asked").exists() and len(requests(at)) >= 4)
    dispatch.kill()
    dispatch.wait()
    run, before = at.latest(), at.run("events", at.latest()).out
    done = at.run("resume", run, "--budget-usd", "0.50")
    assert (done.code, done.out) == (2, "")
    assert "a budget of $0.50 is below what is spent (" in done.err
    assert "Give at least $0.8" in done.err
    assert at.run("events", run).out == before


def test_a_run_goes_on_with_fewer_workers_and_more_time(at: Desk) -> None:
    run = killed(at)
    at.touch("open")
    done = at.run("resume", run, "--max-workers", "1", "--lead-timeout-secs", "900")
    assert done.code == 0
    told = at.run("events", run).out
    assert "house rules were changed: at most 1 worker at a time, $2.00, 15 min; more time" in told


def test_a_run_that_succeeded_takes_no_more(shelf: Shelf) -> None:
    done = shelf.desk.run("resume", shelf.good, "--budget-usd", "100")
    assert (done.code, done.out) == (2, "")
    assert "the run is already finished: succeeded. Its result stands." in done.err
    done = shelf.desk.run("resume", shelf.good, "--fresh-workers")
    assert (done.code, "1. STATUS: success" in done.out) == (0, True)


def test_a_run_that_ran_out_of_time_goes_on_with_more(at: Desk) -> None:
    at.gate(grace_secs=1)
    manifest = at.folder / "manifest.toml"
    manifest.write_text(manifest.read_text().replace("[run]", "[run]\nlead_timeout_secs = 1"))
    first = at.run("dispatch", "manifest.toml", "--json")
    assert (first.json["status"], first.json["ran_out_of"]) == ("timed_out", ["time"])
    run, asked = first.json["run_id"], at.asked()
    assert "--lead-timeout-secs SECS` takes it up again" in at.run("why", run).out
    done = at.run("resume", run, "--lead-timeout-secs", "60", "--json")
    # Its workers were ended with it, and the lead says so.
    assert (done.code, done.json["status"], done.json["report_by"]) == (1, "partial", "lead")
    assert at.asked() == asked == 2
    assert happened(at, run).count("RunReopened") == 1


def test_a_run_that_another_process_owns_takes_no_changes(at: Desk) -> None:
    dispatch = at.gate().gated()
    for words in (("--fresh-workers",), ("--max-workers", "9"), ("--map", f"{at.folder}=/")):
        done = at.run("resume", at.latest(), *words)
        assert (done.code, done.out) == (2, "")
        assert "is owned by" in done.err
    at.touch("open")
    assert ended(dispatch).code == 0


# --- fresh workers


def test_fresh_workers_go_on_with_the_lead_alone(at: Desk) -> None:
    run, asked = killed(at), at.asked()
    at.touch("open")
    done = at.run("resume", run, "--fresh-workers", "--json")
    tasks = {each["path"]: each for each in done.json["tasks"]}
    for worker in ("root/W1", "root/W2"):
        assert tasks[worker]["status"] == "Cancelled"
        assert tasks[worker]["error"] == "lost: resumed with fresh workers"
    assert at.asked() == asked
    assert (done.code, done.json["status"]) == (1, "partial")
    told = at.run("events", run).out
    assert "these were ended where they were" in told


# --- elsewhere


@pytest.fixture
def there(at: Desk, tmp_path: Path) -> Iterator[Desk]:
    """Another machine, to which a folder may move, and runs may be copied."""
    (tmp_path / "another machine").mkdir()
    with desk(tmp_path / "another machine" / "work", tmp_path / "copied") as found:
        yield found


def move(at: Desk, there: Desk) -> str:
    """Move the folder and copy the runs; the words that tell `resume` of it."""
    shutil.move(at.folder, there.folder)
    shutil.copytree(at.runs, there.runs)
    return f"{at.folder}={there.folder}"


def test_a_run_that_was_copied_with_its_repository_goes_on_elsewhere(at: Desk, there: Desk) -> None:
    run, asked = killed(at), at.asked()
    where = move(at, there)
    there.touch("open")
    before = there.run("events", run).out

    lost = there.run("resume", run)
    assert (lost.code, lost.out) == (2, "")
    assert f"works where there is no directory here: {at.folder}. " in lost.err
    assert "--map OLD=NEW" in lost.err
    assert there.run("events", run).out == before

    done = there.run("resume", run, "--map", where)
    assert done.code == 0, done
    assert "succeeded" in done.out
    # The two calls that were in flight are asked again, and nothing else.
    assert there.asked() == asked + 2
    assert not at.folder.exists()
    lines = there.run("events", run, "--json").lines
    pairs = [each["pairs"] for each in lines if each["type"] == "PathsMapped"]
    assert pairs == [[[str(at.folder), str(there.folder)]]] * 4
    assert there.run("resume", run, "--map", where).code == 0


def test_a_second_resume_with_the_same_map_changes_nothing(at: Desk, there: Desk) -> None:
    run = killed(at)
    where = move(at, there)
    second = there.start("resume", run, "--map", where)
    wait_for(lambda: there.asked() == 4 or second.poll() is not None)
    second.kill()
    second.wait()
    there.touch("open")
    assert there.run("resume", run, "--map", where).code == 0
    assert happened(there, run).count("PathsMapped") == 4


def test_a_run_that_is_over_is_shown_wherever_it_worked(at: Desk, there: Desk) -> None:
    run = poor(at).json["run_id"]
    where = move(at, there)
    assert there.run("resume", run).code == 1
    done = there.run("resume", run, "--budget-usd", "2.50")
    assert (done.code, "there is no directory here" in done.err) == (2, True)
    assert there.run("resume", run, "--budget-usd", "2.50", "--map", where).code == 0


# --- wrong words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--budget-usd", "0"), "expected more than 0 US dollars"),
        (("--budget-usd", "-1"), "expected more than 0 US dollars"),
        (("--budget-usd", "much"), "expected more than 0 US dollars"),
        (("--budget-usd", "NaN"), "expected more than 0 US dollars"),
        (("--budget-usd", "1e12"), "expected more than 0 US dollars"),
        (("--budget-usd", ""), "expected more than 0 US dollars"),
        (("--max-workers", "0"), "not in the range"),
        (("--max-workers", "1001"), "not in the range"),
        (("--max-workers", "two"), "not a valid integer"),
        (("--lead-timeout-secs", "0"), "not in the range"),
        (("--lead-timeout-secs", "2592001"), "not in the range"),
        (("--lead-timeout-secs", "1.5"), "not a valid integer"),
        (("--map", "/here"), "expected OLD=NEW"),
        (("--map", "=/tmp"), "expected OLD=NEW"),
        (("--map", "/here="), "expected OLD=NEW"),
        (("--map", "here=/tmp"), "is not absolute"),
        (("--map", "/here=/no/such/place"), 'there is no "/no/such/place"'),
        (("--map", "/here=/tmp", "--map", "/here=/usr"), "is given two new places"),
        (("--map", "/here=/tmp"), "no path of this run begins with /here. Its paths are: "),
    ],
)
def test_a_wrong_word_is_said_and_leaves_the_run_as_it_is(
    shelf: Shelf, words: tuple[str, ...], said: str
) -> None:
    before = shelf.desk.run("events", shelf.killed).out
    done = shelf.desk.run("resume", shelf.killed, *words)
    assert (done.code, done.out) == (2, ""), done
    assert said in done.err
    assert shelf.desk.run("events", shelf.killed).out == before


def test_help_says_what_each_option_changes(at: Desk) -> None:
    told = " ".join(at.run("resume", "--help").out.split())
    assert "what it has spent included" in told
    assert "so much time from now on" in told
    assert "OLD=NEW" in told
