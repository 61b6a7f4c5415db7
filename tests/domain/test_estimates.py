"""Estimates: a worker is taken to cost what others of its kind did, else what the table says."""

from statistics import median_high

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadhand.domain import estimates
from leadhand.domain.money import MILLION, Price

UNIT = Price(MILLION, MILLION, MILLION, MILLION)
TURN = estimates.TURN_INPUT + estimates.TURN_CACHED + estimates.TURN_OUTPUT


def test_without_history_a_worker_costs_its_turns_by_the_table() -> None:
    assert estimates.worker(UNIT, 1, []) == TURN
    assert estimates.worker(UNIT, 5, []) == 5 * TURN


def test_without_history_no_worker_is_taken_to_need_all_of_very_many_turns() -> None:
    assert estimates.worker(UNIT, 1_000, []) == estimates.TURNS_USUAL * TURN


def test_a_free_model_is_estimated_at_nothing() -> None:
    assert estimates.worker(Price(), 50, []) == 0


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=99), st.integers(1, 50))
def test_with_history_a_worker_costs_the_median(history: list[int], turns: int) -> None:
    assert estimates.worker(UNIT, turns, history) == median_high(history)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("plain", 5),
        ("\u00e9", 2),
        ("e\u0301", 3),
        ("\uff21", 3),
        ("\u0958", 6),
        ("\ufdfa", 33),
        ("\U0001f600", 4),
    ],
)
def test_a_text_has_at_most_its_bytes_in_the_longest_form_that_is_read(
    text: str, tokens: int
) -> None:
    assert estimates.text_tokens(text) == tokens
    assert estimates.text_tokens(text * 100) == tokens * 100


@given(st.text())
def test_no_text_has_fewer_tokens_at_most_than_bytes(text: str) -> None:
    assert estimates.text_tokens(text) >= len(text.encode())
