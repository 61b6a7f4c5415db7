"""Prices: what a million tokens of each known model cost, and where that is known from."""

from collections.abc import Iterator, Sequence
from typing import Any

import click

from leadhand.cli.options import json_option
from leadhand.cli.paper import faint, heading, print_json, say, table
from leadhand.domain import price_table
from leadhand.domain.money import NANO, Price, Tier, as_usd
from leadhand.domain.prices import MODELS, Known, price_of, spellings

COLUMNS = (
    *("VENDOR", "MODEL", "WINDOW", "LONGER THAN"),
    *("INPUT", "OUTPUT", "CACHE READ", "CACHE WRITE"),
)
NUMBERS = (2, 3, 4, 5, 6, 7)
FIELDS = ("input", "output", "cache_read", "cache_creation")


@click.command("prices")
@click.argument("model", required=False)
@json_option
def command(model: str | None, as_json: bool) -> None:
    """What a million tokens of each known model cost.

    In US dollars. MODEL is a name as a manifest gives it. WINDOW is how many tokens it can read at
    once. A call that reads more tokens than LONGER THAN says costs what is in that row, all of it.
    """
    found = MODELS if model is None else (one(model),)
    if as_json:
        source = {"source": price_table.SOURCE, "as_of": price_table.AS_OF}
        print_json({**source, "models": [entry(known) for known in found]})
        return
    cells = [row for known in found for row in rows(known)]
    for text in table([tuple(map(heading, COLUMNS)), *cells], NUMBERS):
        say(text)
    if model is not None and len(found[0].names) > 1:
        say(faint(f"also named {', '.join(found[0].names[1:])}"))
    say(faint(f"US dollars per million tokens, from {price_table.SOURCE}, {price_table.AS_OF}."))
    say(faint('[prices."MODEL"] of a manifest goes before them, and prices what is not here.'))


def one(model: str) -> Known:
    """The model that a name means. Raises UnknownModel."""
    price_of(None, model)
    names = spellings(model)
    return next(known for name in names for known in MODELS if name in known.names)


def rows(known: Known) -> Iterator[Sequence[str]]:
    """A model as a row, and each of its tiers as another."""
    window = f"{known.window:,}" if known.window else ""
    yield (known.vendor, known.names[0], window, "", *amounts(known.price))
    for tier in known.price.tiers:
        yield ("", "", "", f"{tier.above:,}", *amounts(tier))


def amounts(price: Price | Tier) -> Iterator[str]:
    """Dollars without rounding, with two places at least."""
    for field in FIELDS:
        whole, part = divmod(getattr(price, field), NANO)
        yield f"{whole}.{f'{part:09}'.rstrip('0'):0<2}"


def entry(known: Known) -> dict[str, Any]:
    """A model as programs read it."""
    tiers = [{"above_tokens": tier.above, **usd(tier)} for tier in known.price.tiers]
    named: dict[str, Any] = {"model": known.names[0], "vendor": known.vendor, "names": known.names}
    named["window_tokens"] = known.window
    return {**named, **usd(known.price), "tiers": tiers}


def usd(price: Price | Tier) -> dict[str, float]:
    """Dollars per million tokens."""
    return {f"{field}_usd": as_usd(getattr(price, field)) for field in FIELDS}
