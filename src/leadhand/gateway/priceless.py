"""Priceless: what is left out of a client's request, since no price per token covers it."""

import re
from collections.abc import Iterator
from typing import Any

from leadhand.domain.manifest import Dialect

# Tools that a provider runs itself, for a fee beside tokens.
_FEES = re.compile(
    r"(web_search|web_fetch|code_execution|code_interpreter|file_search|image_generation|computer_"
    r"use|advisor|mcp)"
)
# What makes the same tokens dearer, or comes in several answers.
_DEARER: dict[Dialect, tuple[str, ...]] = {
    "anthropic": ("speed", "inference_geo", "mcp_servers", "container"),
    "openai": ("service_tier", "background"),
    "openai-chat": ("service_tier", "n", "web_search_options", "audio", "modalities"),
}
# What lies at the provider, so that nobody here knows how long it is.
_ELSEWHERE = ("previous_response_id", "conversation", "prompt")


def stripped(dialect: Dialect, body: dict[str, Any], items: list[Any]) -> dict[str, Any]:
    """The body without what is not priced by the token. Raises ValueError where it cannot do
    without: what it reads is not in it."""
    if dialect == "openai":
        for key in _ELSEWHERE:
            if body.get(key) is not None:
                raise ValueError(f"{key} cannot be used here: send all that is to be read")
    for where in _elsewhere(items):
        raise ValueError(f"{where} cannot be used here: send all that is to be read")
    found = {key: value for key, value in body.items() if key not in _DEARER[dialect]}
    tools = found.get("tools")
    if isinstance(tools, list):
        found["tools"] = [each for each in tools if not _costs(each)]
    if dialect == "anthropic":
        for part in _parts(found, items):
            # A longer life of what is cached costs more to put there.
            if isinstance(part.get("cache_control"), dict) and "ttl" in part["cache_control"]:
                del part["cache_control"]["ttl"]
    return found


def _costs(tool: Any) -> bool:
    kind = tool.get("type") if isinstance(tool, dict) else None
    return isinstance(kind, str) and _FEES.match(kind) is not None


def _parts(body: dict[str, Any], items: list[Any]) -> Iterator[dict[str, Any]]:
    """All that may be marked to be cached."""
    yield body
    for each in (body.get("system"), body.get("tools")):
        yield from _objects(each)
    yield from _blocks(items)


def _blocks(items: list[Any]) -> Iterator[dict[str, Any]]:
    """The parts of all messages, and those of results of tools in them."""
    for item in items:
        for key in ("content", "output"):
            for block in _objects(item.get(key)):
                yield block
                yield from _objects(block.get("content"))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    for each in value if isinstance(value, list) else ():
        if isinstance(each, dict):
            yield each


def _elsewhere(items: list[Any]) -> Iterator[str]:
    """What the messages only point to."""
    for block in _blocks(items):
        source, image = block.get("source"), block.get("image_url")
        if isinstance(source, dict) and source.get("type") in ("url", "file"):
            yield f"a source of the type {source['type']}"
        url = image.get("url") if isinstance(image, dict) else image
        if isinstance(url, str) and not url.startswith("data:"):
            yield "the URL of an image"
        if block.get("file_id") or block.get("file_url"):
            yield "a file that is not in the request"
