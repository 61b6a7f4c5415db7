"""Money: exact integers from dollars to the last nano-dollar, rounded against the spender."""

from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadhand.domain.money import (
    MILLION,
    NANO,
    Price,
    Tier,
    Usage,
    as_usd,
    bound,
    cost,
    dearest,
    from_usd,
    show,
    tier_of,
)

amounts = st.integers(0, 10**12)
tokens = st.integers(0, 10**9)
tiers = st.builds(Tier, tokens, amounts, amounts, amounts, amounts)
several = st.lists(tiers, max_size=3, unique_by=lambda tier: tier.above).map(tuple)
prices = st.builds(Price, amounts, amounts, amounts, amounts, several)
usages = st.builds(Usage, tokens, tokens, tokens, tokens)


def exact(price: Price, usage: Usage) -> Fraction:
    """The cost without any rounding."""
    at = tier_of(price, usage.context - usage.output)
    total = sum(getattr(at, name) * getattr(usage, name) for name in Usage.__struct_fields__)
    return Fraction(total, MILLION)


@given(prices, usages)
def test_a_cost_is_rounded_up_by_less_than_a_nano_dollar(price: Price, usage: Usage) -> None:
    assert 0 <= cost(price, usage) - exact(price, usage) < 1


@given(prices, usages, tokens)
def test_no_answer_within_its_tokens_costs_more_than_its_bound(
    price: Price, usage: Usage, more: int
) -> None:
    read = usage.context - usage.output
    assert cost(price, usage) <= bound(price, read + more, usage.output)


@given(prices, tokens, tokens, tokens)
def test_a_bound_grows_with_its_tokens(price: Price, read: int, said: int, more: int) -> None:
    assert bound(price, read, said) <= bound(price, read + more, said)
    assert bound(price, read, said) <= bound(price, read, said + more)


@given(prices, tokens)
def test_what_is_dearest_is_no_cheaper_than_what_holds(price: Price, read: int) -> None:
    at = tier_of(price, read)
    assert dearest(price, read) >= (max(at.input, at.cache_read, at.cache_creation), 0)
    assert dearest(price, read)[1] >= at.output


def test_a_tier_holds_for_the_whole_of_a_call_that_reads_more_than_its_threshold() -> None:
    far = Tier(200, input=10 * MILLION, output=20 * MILLION, cache_read=3 * MILLION)
    price = Price(MILLION, 2 * MILLION, MILLION, MILLION, tiers=(far, Tier(100, 2 * MILLION)))
    assert cost(price, Usage(input=100)) == 100
    assert cost(price, Usage(input=100, output=500)) == 100 + 2 * 500
    assert cost(price, Usage(input=101)) == 2 * 101
    assert cost(price, Usage(input=1, cache_read=200, output=5)) == 10 + 3 * 200 + 20 * 5
    assert tier_of(price, 200).output == 0
    assert dearest(price, 100) == (MILLION, 2 * MILLION)
    assert dearest(price, 200) == (2 * MILLION, 2 * MILLION)
    assert dearest(price, 201) == (10 * MILLION, 20 * MILLION)


def test_a_price_that_was_stored_before_there_were_tiers_still_loads() -> None:
    old = msgspec.json.decode(b'{"input":1,"output":2}', type=Price)
    assert old == Price(1, 2)
    assert msgspec.json.encode(old) == b'{"input":1,"output":2}'
    tiered = Price(1, 2, tiers=(Tier(5, 3),))
    assert msgspec.json.decode(msgspec.json.encode(tiered), type=Price) == tiered


@given(prices)
def test_nothing_costs_nothing(price: Price) -> None:
    assert cost(price, Usage()) == bound(price, 0, 0) == 0


@given(usages, usages)
def test_usages_add_up_field_by_field(one: Usage, other: Usage) -> None:
    assert one.plus(other).context == one.context + other.context
    assert one.plus(other) == other.plus(one)


@given(st.integers(0, NANO * NANO - 1))
def test_decimal_text_is_read_exactly(nanousd: int) -> None:
    assert from_usd(str(Decimal(nanousd) / NANO)) == nanousd


@given(st.floats(0, 999_999))
def test_a_float_is_read_as_it_is_written(usd: float) -> None:
    assert 0 <= from_usd(usd) - Fraction(repr(usd)) * NANO < 1


@pytest.mark.parametrize(
    ("value", "nanousd"),
    [
        (2, 2 * NANO),
        (0.20, 200_000_000),
        ("0.1", 100_000_000),
        ("1e-10", 1),
        (Decimal(5), 5 * NANO),
    ],
)
def test_dollars_of_every_kind_are_read(value: object, nanousd: int) -> None:
    assert from_usd(value) == nanousd


@pytest.mark.parametrize(
    "value",
    [
        *(True, None, [], "", "five", "\x00", "1,5", -1, "-0.01"),
        *(float("nan"), float("inf"), "NaN", "-sNaN", "1e400", 10**9, 10**400),
    ],
)
def test_what_is_no_amount_is_a_value_error(value: object) -> None:
    with pytest.raises(ValueError, match="expected an amount"):
        from_usd(value)


@pytest.mark.parametrize(
    ("nanousd", "shown"),
    [
        (0, "$0.00"),
        (1_250_000_000, "$1.25"),
        (10_000_000, "$0.01"),
        (9_999_999, "$0.0100"),
        (420_000, "$0.0004"),
        (-420_000, "$-0.0004"),
        (1_234_567_000_000_000, "$1234567.00"),
    ],
)
def test_amounts_are_shown_in_dollars(nanousd: int, shown: str) -> None:
    assert show(nanousd) == shown


def test_dollars_for_reading_are_floats() -> None:
    assert as_usd(1_500_000_000) == 1.5
