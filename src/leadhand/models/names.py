"""Names: which provider a model's name asks for, and what that provider calls the model."""

import re

from leadhand.errors import UnknownModel

PROVIDERS = ("anthropic", "openai", "openai-chat")
# Bare names that only one vendor gives; gpt-oss is open weights, served by anybody.
_BARE = (("anthropic", re.compile(r"claude-")), ("openai", re.compile(r"gpt-(?!oss)|chatgpt-|o\d")))


def split(name: str) -> tuple[str, str]:
    """The provider and the model of `anthropic:NAME`, `openai:NAME`, `openai-chat:NAME`, or of a
    bare name that only one of them has. Raises UnknownModel."""
    provider, colon, model = name.partition(":")
    if colon and provider in PROVIDERS and model:
        return provider, model
    for vendor, pattern in _BARE:
        if pattern.match(name):
            return vendor, name
    raise UnknownModel(
        f'the model "{name}" does not say who serves it',
        "Name it anthropic:NAME, openai:NAME (Responses), or openai-chat:NAME (Chat Completions, "
        "and every server that is compatible with it).",
    )


def wire_name(name: str) -> str:
    """What the provider calls the model."""
    return split(name)[1]
