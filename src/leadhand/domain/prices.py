"""Prices: what a token of each known model costs, how many it reads, and how it is found."""

import difflib
import re
from collections.abc import Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from leadhand.domain import hosts, price_table
from leadhand.domain.manifest import Manifest
from leadhand.domain.money import Price, Tier
from leadhand.domain.text import one_line
from leadhand.refusals import UnknownModel

LOCAL = "script:"
FREE = Price()
NAME_MAX = 80
NEAR_MAX = 3
# A vendor serves the same model under its bare name, with its date, and as the latest.
_DATED = re.compile(r"(?:[-@]20\d\d-?[01]\d-?[0-3]\d|-latest)$")


class Known(Struct, frozen=True):
    """A model of the table. names: all that it is served under, its own first. window: tokens that
    it can read at once; with most vendors its answer must fit into that too."""

    vendor: str
    names: tuple[str, ...]
    price: Price
    window: int = 0


def read(rows: str) -> Iterator[Known]:
    """The models in rows of the form that `price_table` describes."""
    vendor, found = "", None
    for line in rows.split("\n"):
        mark, *rest = line.split() or [""]
        if mark == "=" and found:
            found = replace(found, names=(*found.names, *rest))
        elif mark == ">" and found:
            tier = Tier(*map(int, rest))
            price = replace(found.price, tiers=(*found.price.tiers, tier))
            found = replace(found, price=price)
        else:
            if found:
                yield found
            found = _known(vendor, mark, *map(int, rest)) if rest else None
            vendor = vendor if rest else mark.strip("[]")


def _known(
    vendor: str, name: str, window: int, reading: int, answering: int, cache: int, creation: int
) -> Known:
    return Known(vendor, (name,), Price(reading, answering, cache, creation), window)


MODELS: tuple[Known, ...] = tuple(read(price_table.ROWS))
TABLE: Mapping[str, Price] = {name: known.price for known in MODELS for name in known.names}
WINDOWS: Mapping[str, int] = {name: known.window for known in MODELS for name in known.names}


def named(manifest: Manifest) -> set[str | None]:
    """The models that the operator names. A script runs as code, so no other script may."""
    own = (each.model for each in manifest.every_settings())
    return {*own, *manifest.prices, *manifest.aliases.values()}


def spellings(model: str) -> tuple[str, ...]:
    """The names that a model's price may stand under: as it is, without its provider
    (`anthropic:claude-haiku-4-5`), and without its date (`claude-haiku-4-5-20251001`)."""
    bare = model.partition(":")[2] or model
    return tuple(dict.fromkeys((model, bare, _DATED.sub("", bare))))


def listed(manifest: Manifest | None, model: str) -> Price | None:
    """The price that the manifest, else the table, lists for a model."""
    for prices in (manifest.prices if manifest else {}, TABLE):
        for name in spellings(model):
            if name in prices:
                return prices[name]
    return None


def on_loopback(manifest: Manifest | None, model: str) -> bool:
    """Whether a model's provider is a server of this machine that the manifest names."""
    name, colon, _ = model.partition(":")
    provider = manifest.providers.get(name) if manifest and colon else None
    return provider is not None and hosts.loopback(hosts.url_host(provider.base_url))


def price_of(manifest: Manifest | None, model: str) -> Price:
    """The price of a model: the manifest's own, else the table's; its local scripts are free, and
    so is what else a server of this machine serves. A model of the table is not: what listens
    here may pass it on to its vendor.

    Raises UnknownModel, with the line of the manifest that would give a price.
    """
    own = manifest.prices if manifest else {}
    if model.startswith(LOCAL):
        if manifest is None or model not in named(manifest):
            raise UnknownModel(
                f'the manifest does not name the model "{one_line(model, NAME_MAX)}"',
                "A script is code, so only the operator names one. Use a model of the manifest.",
            )
        return own.get(model, FREE)
    found = listed(manifest, model)
    if found is not None:
        return found
    if on_loopback(manifest, model):
        return FREE
    raise unpriced(model, [*own, *(known.names[0] for known in MODELS)])


def window_of(model: str) -> int:
    """Tokens that a model can read at once; 0 where that is not known."""
    return next((WINDOWS[name] for name in spellings(model) if name in WINDOWS), 0)


def unpriced(model: str, known: list[str]) -> UnknownModel:
    """The refusal of a model whose price is not known, with the names that are near."""
    name = one_line(model, NAME_MAX)
    bare = spellings(name)[-1]
    near = difflib.get_close_matches(bare, known, NEAR_MAX)
    meant = f"Known and near: {', '.join(one_line(each, NAME_MAX) for each in near)}. "
    return UnknownModel(
        f'the model "{name}" has no known price',
        f'{meant if near else ""}The operator can add [prices."{name}"] with input and output in '
        "dollars per million tokens to the manifest; or use a model that has a price.",
    )
