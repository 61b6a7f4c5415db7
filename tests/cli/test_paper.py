"""Paper: tables stand in line, whatever is written in them."""

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadhand.cli.paper import dollars, local, table, width

cells = st.text("ab日é ", max_size=5)


def test_columns_stand_in_line_and_numbers_to_the_right() -> None:
    rows = [("name", "cost"), ("日本", "$1.00"), (click.style("x", fg="red"), "$10.00")]
    assert [click.unstyle(line) for line in table(rows, right=(1,), indent="  ")] == [
        "  name    cost",
        "  日本   $1.00",
        "  x     $10.00",
    ]


@given(st.lists(st.tuples(cells, cells, st.just("|")), min_size=1, max_size=5))
def test_the_last_column_begins_at_one_place_in_every_row(rows: list[tuple[str, ...]]) -> None:
    assert len({width(line) for line in table(rows)}) == 1


@pytest.mark.parametrize(
    ("text", "cells"),
    [("", 0), ("abc", 3), ("日本", 4), ("e\u0301", 1), ("\x1b[31mred\x1b[0m", 3), ("★ ▸ …", 5)],
)
def test_a_text_is_as_wide_as_a_terminal_shows_it(text: str, cells: int) -> None:
    assert width(text) == cells


def test_amounts_are_shown_as_everywhere() -> None:
    assert [dollars(each) for each in (0.0, 0.0012, 1.5)] == ["$0.00", "$0.0012", "$1.50"]


def test_an_instant_is_shown_on_this_machines_clock() -> None:
    assert local(1_700_000_000_000, "%Y-%m").startswith("2023-11")
