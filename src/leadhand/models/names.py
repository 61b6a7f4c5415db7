"""Names: which provider a model's name asks for, and what that provider calls the model."""

import re
from typing import get_args

from leadhand.domain.manifest import Dialect
from leadhand.refusals import UnknownModel

PROVIDERS: tuple[Dialect, ...] = get_args(Dialect)
# What brings every other provider.
INSTALL = "pip install 'leadhand[providers]'"
# Bare names that only one vendor gives; gpt-oss is open weights, served by anybody.
_BARE = (("anthropic", re.compile(r"claude-")), ("openai", re.compile(r"gpt-(?!oss)|chatgpt-|o\d")))


def split(name: str) -> tuple[str, str]:
    """The provider and the model of `PROVIDER:MODEL`, whoever that is, or of a bare name that only
    one vendor has. Raises UnknownModel."""
    provider, colon, model = name.partition(":")
    if provider and model:
        return provider, model
    for vendor, pattern in _BARE:
        if not colon and pattern.match(name):
            return vendor, name
    raise unknown(f'the model "{name}" does not say who serves it')


def unknown(message: str) -> UnknownModel:
    """The refusal of a model whose provider is not known."""
    return UnknownModel(
        message,
        "Name it anthropic:NAME, openai:NAME (Responses), openai-chat:NAME (Chat Completions, and "
        "every server that is compatible with it), or by a server that the manifest names under "
        f"[providers.SERVER]: SERVER:NAME. {INSTALL} brings other providers: google:NAME ...",
    )
