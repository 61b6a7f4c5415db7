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


class Tier(Struct, frozen=True, omit_defaults=True):
    """Prices that hold instead for a whole call that reads more than `above` tokens."""

    above: int
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_creation: int = 0


class Price(Struct, frozen=True, omit_defaults=True):
    """Prices of a model in nano-dollars per million tokens; tiers: those of long contexts."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_creation: int = 0
    tiers: tuple[Tier, ...] = ()

    def saved(self, usage: Usage) -> int:
        """What a call would have cost more had nothing been cached, in nano-dollars; less than
        zero where what it put into the cache cost more than what it took from it."""
        plain = Usage(usage.input + usage.cache_read + usage.cache_creation, usage.output)
        return cost(self, plain) - cost(self, usage)


def tier_of(price: Price, read_tokens: int) -> Price | Tier:
    """The prices of a call that reads so many tokens, cached ones included."""
    reached = [tier for tier in price.tiers if tier.above < read_tokens]
    return max(reached, key=lambda tier: tier.above) if reached else price


def dearest(price: Price, read_tokens: int) -> tuple[int, int]:
    """The highest that a token read and a token answered may cost in a call that reads at most
    so many tokens: of the prices without and with a cache, and of every tier within reach."""
    reached: list[Price | Tier] = [price]
    reached += (tier for tier in price.tiers if tier.above < read_tokens)
    reading = max(max(each.input, each.cache_read, each.cache_creation) for each in reached)
    return reading, max(each.output for each in reached)


def cost(price: Price, usage: Usage) -> int:
    """What the usage of one call costs, in nano-dollars, rounded up."""
    at = tier_of(price, usage.context - usage.output)
    total = (
        at.input * usage.input
        + at.output * usage.output
        + at.cache_read * usage.cache_read
        + at.cache_creation * usage.cache_creation
    )
    return -(-total // MILLION)


def bound(price: Price, input_tokens: int, output_tokens: int) -> int:
    """The worst that a call can cost, in nano-dollars."""
    reading, answering = dearest(price, input_tokens)
    return -(-(reading * input_tokens + answering * output_tokens) // MILLION)


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
