"""Prices: what a token of each known model costs, and how a model's name finds its price."""

from leadhand.domain.manifest import Manifest
from leadhand.domain.money import NANO, Price
from leadhand.domain.text import one_line
from leadhand.errors import UnknownModel


def _price(input_usd: float, output_usd: float, read_usd: float, creation_usd: float) -> Price:
    """A price from dollars per million tokens."""
    usd = (input_usd, output_usd, read_usd, creation_usd)
    return Price(*(round(amount * NANO) for amount in usd))


TABLE = {
    "claude-opus-4-5": _price(5, 25, 0.5, 6.25),
    "claude-opus-4-1": _price(15, 75, 1.5, 18.75),
    "claude-sonnet-4-6": _price(3, 15, 0.3, 3.75),
    "claude-sonnet-4-5": _price(3, 15, 0.3, 3.75),
    "claude-haiku-4-5": _price(1, 5, 0.1, 1.25),
    "gpt-5": _price(1.25, 10, 0.125, 0),
    "gpt-5-mini": _price(0.25, 2, 0.025, 0),
}
LOCAL = "script:"
FREE = Price()


def named(manifest: Manifest) -> set[str | None]:
    """The models that the operator names. A script runs as code, so no other script may."""
    settings = (manifest.lead.settings, manifest.defaults)
    return {
        *(each.model for each in settings),
        *(agent.settings.model for agent in manifest.agents.values()),
        *manifest.prices,
    }


def price_of(manifest: Manifest | None, model: str) -> Price:
    """The price of a model: the manifest's own, else the table's; its local scripts are free.

    Raises UnknownModel, with the line of the manifest that would give a price.
    """
    name = one_line(model, 80)
    own = manifest.prices.get(model) if manifest else None
    if model.startswith(LOCAL):
        if manifest is None or model not in named(manifest):
            raise UnknownModel(
                f'the manifest does not name the model "{name}"',
                "A script is code, so only the operator names one. Use a model of the manifest.",
            )
        return own or FREE
    found = own or TABLE.get(model.partition(":")[2]) or TABLE.get(model)
    if found is None:
        raise UnknownModel(
            f'the model "{name}" has no known price',
            f'The operator can add [prices."{name}"] with input and output in dollars per million '
            "tokens to the manifest; or use a model that has a price.",
        )
    return found
