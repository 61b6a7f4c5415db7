"""Price table: it is what the pinned library says, and a bound by it holds for every model."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from leadhand.domain import price_table
from leadhand.domain.money import NANO, Price, Tier, Usage, bound, cost, tier_of
from leadhand.domain.prices import MODELS, TABLE, Known, price_of, read, spellings, window_of
from leadhand.refusals import UnknownModel

models = st.sampled_from(MODELS)
# Around every threshold, and far beyond.
counts = st.one_of(
    st.integers(0, 2_000_000),
    st.sampled_from([99_999, 100_000, 100_001, 199_999, 200_000, 200_001, 272_000, 272_001]),
)
REASON = "genai-prices is not installed: it is a dependency of development"


def dollars(price: Price | Tier) -> tuple[float, ...]:
    return tuple(
        nanousd / NANO
        for nanousd in (price.input, price.output, price.cache_read, price.cache_creation)
    )


@pytest.mark.parametrize(
    ("model", "usd"),
    [
        ("claude-haiku-4-5", (1, 5, 0.1, 1.25)),
        ("claude-sonnet-4-6", (3, 15, 0.3, 3.75)),
        ("claude-opus-4-5", (5, 25, 0.5, 6.25)),
        ("gpt-5", (1.25, 10, 0.125, 1.25)),
        ("gpt-5-mini", (0.25, 2, 0.025, 0.25)),
        ("o3", (2, 8, 0.5, 2)),
        ("gemini-2.5-pro", (1.25, 10, 0.125, 1.25)),
        ("grok-4", (3, 15, 0.75, 3)),
    ],
)
def test_well_known_models_cost_what_their_vendors_say(model: str, usd: tuple[float, ...]) -> None:
    assert dollars(price_of(None, model)) == usd


@pytest.mark.parametrize(
    ("model", "above", "usd"),
    [
        ("claude-sonnet-4-5", 200_000, (6, 22.5, 0.6, 7.5)),
        ("gpt-5.4", 272_000, (5, 22.5, 0.5, 5)),
        ("gemini-2.5-pro", 200_000, (2.5, 15, 0.25, 2.5)),
    ],
)
def test_long_contexts_cost_what_their_vendors_say(
    model: str, above: int, usd: tuple[float, ...]
) -> None:
    price = price_of(None, model)
    assert tier_of(price, above) == price
    assert dollars(tier_of(price, above + 1)) == usd


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("claude-haiku-4-5", 200_000),
        ("claude-sonnet-4-6", 1_000_000),
        ("gpt-4o", 128_000),
        ("gpt-5", 272_000),
        ("gpt-5-pro", 128_000),
        ("gpt-5.4", 922_000),
        ("gpt-6-cyber", 272_000),
        ("gemini-2.5-pro", 1_000_000),
        ("mistral-large-2512", 262_144),
    ],
)
def test_well_known_models_read_what_their_vendors_say(model: str, tokens: int) -> None:
    assert window_of(model) == tokens


def test_every_window_is_one() -> None:
    for known in MODELS:
        assert 4_096 <= known.window <= 2_000_000, known.names


def test_what_changes_by_the_hour_costs_the_dearer() -> None:
    assert dollars(price_of(None, "deepseek-chat")) == (0.27, 1.1, 0.07, 0.27)


@given(models, counts, counts, counts, counts, counts, counts)
@example(MODELS[0], 0, 0, 0, 0, 0, 0)
def test_no_answer_within_its_bound_costs_more(
    model: Known, plain: int, cached: int, created: int, answer: int, spare: int, more: int
) -> None:
    usage = Usage(plain, answer, cached, created)
    limit = bound(model.price, plain + cached + created + spare, answer + more)
    assert cost(model.price, usage) <= limit


@given(models, counts, counts, counts)
def test_a_bound_is_no_more_than_its_dearest_tokens(
    model: Known, read_tokens: int, answer: int, cached: int
) -> None:
    usages = (Usage(read_tokens, answer), Usage(0, answer, 0, read_tokens))
    worst = max(cost(model.price, usage) for usage in usages)
    assert bound(model.price, read_tokens, answer) == worst


def rows_of(known: Known) -> list[Price | Tier]:
    return [known.price, *known.price.tiers]


def test_no_model_gets_cheaper_with_a_longer_context() -> None:
    for known in MODELS:
        assert [each.above for each in known.price.tiers] == sorted(
            each.above for each in known.price.tiers
        )
        for shorter, longer in pairwise(rows_of(known)):
            pairs = zip(dollars(shorter), dollars(longer), strict=True)
            assert all(one <= other for one, other in pairs), known.names


def test_every_price_is_one() -> None:
    for known in MODELS:
        for price in rows_of(known):
            assert price.output >= price.input >= price.cache_read > 0, known.names
            assert price.cache_creation >= price.input, known.names


def test_every_name_is_of_one_model_and_fits_into_a_manifest() -> None:
    names = [name for known in MODELS for name in known.names]
    assert len(names) == len(set(names)) == len(TABLE)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,79}", name) for name in names)
    assert {known.vendor for known in MODELS} == {
        "anthropic", "deepseek", "google", "mistral", "openai", "x-ai",
    }  # fmt: skip


def test_rows_are_read_with_tiers_and_further_names() -> None:
    rows = "\n[one]\na 50 1 2 3 4\n> 10 5 6 7 8\n> 20 9 9 9 9\n= b c\n= d\n[two]\ne 0 1 2 3 4\n"
    price = Price(1, 2, 3, 4, tiers=(Tier(10, 5, 6, 7, 8), Tier(20, 9, 9, 9, 9)))
    assert list(read(rows)) == [
        Known("one", ("a", "b", "c", "d"), price, 50),
        Known("two", ("e",), Price(1, 2, 3, 4)),
    ]


@pytest.mark.slow
def test_the_pinned_library_still_gives_the_table() -> None:
    pytest.importorskip("genai_prices", reason=REASON)
    from scripts import generate_prices

    made = generate_prices.table(date.fromisoformat(price_table.AS_OF))
    assert generate_prices.PLACE.read_text() == made, "run: make prices"


@pytest.mark.slow
def test_no_name_that_is_known_here_means_another_model_to_the_library() -> None:
    pytest.importorskip("genai_prices", reason=REASON)
    from genai_prices import types
    from genai_prices.data import providers

    as_of = datetime.combine(date.fromisoformat(price_table.AS_OF), datetime.min.time(), UTC)
    vendors = {provider.id: provider for provider in providers}

    def least(amount: Decimal | types.TieredPrices | None) -> Decimal:
        return amount.base if isinstance(amount, types.TieredPrices) else amount or Decimal(0)

    suffixes = ("", "-latest", "-20260102", "-2026-01-02", "@20260102", "-2026", "-mini", "-pro")
    for known in MODELS:
        for name in (name + suffix for name in known.names for suffix in suffixes):
            try:
                price = price_of(None, name)
            except UnknownModel:
                continue
            model = vendors[known.vendor].find_model(name)
            if model is None:
                assert name not in TABLE
                assert spellings(name)[-1] in TABLE
                continue
            theirs = model.get_prices(as_of)
            assert price.input >= least(theirs.input_mtok) * NANO, name
            assert price.output >= least(theirs.output_mtok) * NANO, name
            assert price.cache_creation >= least(theirs.cache_write_mtok) * NANO, name
