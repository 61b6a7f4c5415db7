"""Money: nano-dollars as integers, never floats of dollars."""

from decimal import ROUND_CEILING, Decimal, InvalidOperation

from msgspec import Struct

NANO = 1_000_000_000
MILLION = 1_000_000


class Usage(Struct, frozen=True, omit_defaults=True):
    """Tokens of one or more model calls. input excludes cache_read and cache_creation."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_creation: int = 0

    @property
    def context(self) -> int:
        """Tokens of the conversation after the answer: all that was read, and the answer."""
        return self.input + self.cache_read + self.cache_creation + self.output

    def plus(self, other: "Usage") -> "Usage":
        """The sum of two usages."""
        return Usage(
            self.input + other.input,
            self.output + other.output,
            self.cache_read + other.cache_read,
            self.cache_creation + other.cache_creation,
        )


class Price(Struct, frozen=True, omit_defaults=True):
    """Prices of a model in nano-dollars per million tokens."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_creation: int = 0

    @property
    def dearest_input(self) -> int:
        """The highest price that a token of input may have."""
        return max(self.input, self.cache_read, self.cache_creation)


def cost(price: Price, usage: Usage) -> int:
    """What the usage costs, in nano-dollars, rounded up."""
    total = (
        price.input * usage.input
        + price.output * usage.output
        + price.cache_read * usage.cache_read
        + price.cache_creation * usage.cache_creation
    )
    return -(-total // MILLION)


def bound(price: Price, input_tokens: int, output_tokens: int) -> int:
    """The worst that a call can cost, in nano-dollars."""
    return -(-(price.dearest_input * input_tokens + price.output * output_tokens) // MILLION)


def from_usd(value: object) -> int:
    """Nano-dollars of an amount in dollars (int, float or decimal text), rounded up.

    Raises ValueError where the value is no finite, non-negative number below a billion.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError("expected an amount in dollars")
    try:
        amount = Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError("expected an amount in dollars") from error
    if not amount.is_finite() or amount < 0 or amount >= NANO:
        raise ValueError("expected an amount from 0 to 999999999 dollars")
    return int((amount * NANO).to_integral_value(rounding=ROUND_CEILING))


def as_usd(nanousd: int) -> float:
    """Dollars for people and JSON; never added up."""
    return nanousd / NANO


def show(nanousd: int) -> str:
    """An amount for people: `$1.25`, and four digits below a cent."""
    dollars = nanousd / NANO
    return f"${dollars:.4f}" if nanousd and abs(dollars) < 0.01 else f"${dollars:.2f}"
