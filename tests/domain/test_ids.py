"""Ids: an actor's id is its path, from which everything else about its place follows."""

from hypothesis import given
from hypothesis import strategies as st

from leadhand.domain.ids import (
    ROOT,
    ActorId,
    as_file_name,
    depth,
    parent_id,
    short,
    sublead_id,
    worker_id,
)

steps = st.lists(st.integers(1, 10**6), max_size=4)


def path(numbers: list[int]) -> ActorId:
    """The id at the end of these steps."""
    actor = ROOT
    for number in numbers:
        actor = worker_id(actor, number)
    return actor


def test_a_workers_id_is_its_place_under_its_parent() -> None:
    assert worker_id(ROOT, 3) == "root/W3"
    assert worker_id(ActorId("root/S1"), 2) == "root/S1/W2"


@given(steps, st.integers(1, 10**6))
def test_the_parent_of_a_worker_is_who_it_was_made_under(numbers: list[int], last: int) -> None:
    assert parent_id(worker_id(path(numbers), last)) == path(numbers)
    assert short(worker_id(path(numbers), last)) == f"W{last}"


@given(steps, st.integers(1, 10**6))
def test_a_sub_lead_is_one_level_below_and_no_worker(numbers: list[int], last: int) -> None:
    found = sublead_id(path(numbers), last)
    assert (parent_id(found), short(found)) == (path(numbers), f"S{last}")
    assert (depth(ROOT), depth(found)) == (0, len(numbers) + 1)
    assert found != worker_id(path(numbers), last)


def test_the_root_has_no_parent() -> None:
    assert parent_id(ROOT) is None
    assert short(ROOT) == "root"


@given(steps, steps)
def test_no_two_actors_share_a_file(one: list[int], other: list[int]) -> None:
    same = as_file_name(path(one)) == as_file_name(path(other))
    assert same == (one == other)
    assert "/" not in as_file_name(path(one))
