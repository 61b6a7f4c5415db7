"""Prices: the table for people and for programs, one model by any of its names."""

import pytest

from leadhand.domain import price_table
from leadhand.domain.prices import MODELS
from tests.cli.kit import Desk

pytestmark = pytest.mark.slow


def test_every_model_is_shown_with_the_source(at: Desk) -> None:
    done = at.run("prices")
    assert (done.code, done.err) == (0, "")
    header, *rows = done.out.splitlines()
    assert header.startswith("VENDOR     MODEL")
    assert sum(row.startswith(tuple(each.vendor for each in MODELS)) for row in rows) == len(MODELS)
    haiku = ["anthropic", "claude-haiku-4-5", *"200,000 1.00 5.00 0.10 1.25".split()]
    assert haiku in [row.split() for row in rows]
    assert price_table.SOURCE in done.out
    assert price_table.AS_OF in done.out


@pytest.mark.parametrize(
    "name", ["gpt-5.4", "openai:gpt-5.4", "gpt-5.4-2026-03-05", "openai-chat:gpt-5.4-20270101"]
)
def test_one_model_is_found_by_any_of_its_names(at: Desk, name: str) -> None:
    rows = [row.split() for row in at.run("prices", name).out.splitlines()]
    assert rows[1] == ["openai", "gpt-5.4", "922,000", "2.50", "15.00", "0.25", "2.50"]
    assert rows[2] == ["272,000", "5.00", "22.50", "0.50", "5.00"]


def test_programs_get_numbers(at: Desk) -> None:
    found = at.run("prices", "claude-sonnet-4-5-20250929", "--json").json
    assert (found["source"], found["as_of"]) == (price_table.SOURCE, price_table.AS_OF)
    assert found["models"] == [
        {
            "model": "claude-sonnet-4-5",
            "vendor": "anthropic",
            "names": ["claude-sonnet-4-5", "claude-sonnet-4.5"],
            "window_tokens": 200_000,
            "input_usd": 3.0,
            "output_usd": 15.0,
            "cache_read_usd": 0.3,
            "cache_creation_usd": 3.75,
            "tiers": [
                {
                    "above_tokens": 200_000,
                    "input_usd": 6.0,
                    "output_usd": 22.5,
                    "cache_read_usd": 0.6,
                    "cache_creation_usd": 7.5,
                }
            ],
        }
    ]
    assert len(at.run("prices", "--json").json["models"]) == len(MODELS)


def test_an_unknown_model_is_refused_with_what_to_do(at: Desk) -> None:
    done = at.run("prices", "claude-haiku-4-6")
    assert (done.code, done.out) == (2, "")
    assert "claude-haiku-4-5" in done.err
    assert '[prices."claude-haiku-4-6"]' in done.err
