"""Names: how the user's words for runs and actors are read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadhand import wiring
from leadhand.api.names import actor_named, command_on, resume_command, run_named
from leadhand.domain.manifest import Subleads
from leadhand.errors import UsageError
from tests.views.kit import world

RUNS = ["abcd", "abxy", "abx", "q1"]
HERE = Path("/runs")


@pytest.mark.parametrize(
    ("name", "run"), [("abc", "abcd"), ("q", "q1"), ("abx", "abx"), ("abxy", "abxy")]
)
def test_a_run_is_named_by_a_prefix_or_whole(name: str, run: str) -> None:
    assert run_named(RUNS, name, HERE) == run


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ab", '"ab" begins the ids of 3 runs: abx, abxy and abcd. Give more of the id'),
        ("z", 'no run begins with "z" in /runs. The latest: q1, abx, abxy and abcd'),
        ("", 'no run begins with "" in /runs.'),
        ("\x1b[2J", 'no run begins with "\ufffd[2J"'),
    ],
)
def test_a_name_that_fits_no_run_or_several_is_refused(name: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        run_named(RUNS, name, HERE)
    assert caught.value.message.startswith(said)


def test_an_empty_folder_is_said() -> None:
    with pytest.raises(UsageError, match=r'no run begins with "q": there is none in /runs'):
        run_named([], "q", HERE)


@given(st.lists(st.text("ab", min_size=1, max_size=6), unique=True), st.text("ab", max_size=6))
def test_a_name_never_means_another_run_than_the_one_it_begins(runs: list[str], name: str) -> None:
    fits = [run for run in runs if name and run.startswith(name)]
    try:
        found = run_named(runs, name, HERE)
    except UsageError:
        assert len(fits) != 1
        assert name not in runs
    else:
        assert found == name or fits == [found]


@pytest.mark.parametrize("name", ["root/W2", "W2", "second"])
def test_an_actor_is_named_by_path_or_end_or_label(name: str) -> None:
    run = world()
    run.spawn(label="first")
    run.settled(label="second")
    assert actor_named(run.run, name) == "root/W2"


@pytest.mark.parametrize("name", ["W9", "twin", ""])
def test_an_actor_that_is_not_there_or_not_alone_is_said(name: str) -> None:
    run = world()
    run.spawn(label="twin")
    run.spawn(label="twin")
    with pytest.raises(UsageError, match=r"unknown actor: .*root/W"):
        actor_named(run.run, name)


@pytest.mark.parametrize("name", ["root/S1/W1", "S1/W1", "deep"])
def test_the_operator_reaches_also_those_below_a_sub_lead(name: str) -> None:
    found = world(subleads=Subleads())
    found.spawn(parent=found.sublead(budget_nanousd=10**9), label="deep")
    assert actor_named(found.run, name) == "root/S1/W1"


def test_a_command_can_be_typed_as_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADHAND_RUN_DIR", "/runs")
    assert wiring.default_run_dir() == HERE
    assert resume_command("abcd", HERE) == "leadhand resume abcd"
    shown = command_on("why", "abcd", Path("/my runs"))
    assert shown == "leadhand why abcd --run-dir '/my runs'"
