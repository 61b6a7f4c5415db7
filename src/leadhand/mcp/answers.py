"""Answers: what a server that is not ours answers to a call, as the model reads it.

Law: it is data of a stranger. A fence stands around it, and nothing in it looks like one.
"""

import base64
import binascii
from collections.abc import AsyncIterator
from typing import Any

import mcp_types as types
import msgspec

from leadhand.conversation import harmless
from leadhand.domain.text import one_line
from leadhand.tool import Blobs

FENCE = '<mcp_result server="{server}">\n{text}\n</mcp_result>'
WORD_MAX = 200
NOTHING = "[nothing]"
_encoder = msgspec.json.Encoder()


async def told(server: str, result: types.CallToolResult, blobs: Blobs) -> str:
    """A result as text; what is no text is kept and described. Raises StoreError."""
    parts = [part async for part in shown(result, blobs)]
    return fenced(server, "\n".join(parts))


def fenced(server: str, text: str) -> str:
    """What a server says, with who says it outside of that."""
    return FENCE.format(server=server, text=harmless(text) or NOTHING)


async def shown(result: types.CallToolResult, blobs: Blobs) -> AsyncIterator[str]:
    """The parts of a result, in order; last its structured content, where no text says the
    same."""
    value = result.structured_content
    said = value is None
    for block in result.content:
        if isinstance(block, types.TextContent):
            said = said or same(block.text, value)
            yield block.text
        else:
            yield await described(block, blobs)
    if not said:
        yield _encoder.encode(value).decode()


def same(text: str, value: Any) -> bool:
    """Whether a text is a value as JSON, as servers give it for older clients, or the one thing
    that it holds."""
    if value == {"result": text}:
        return True
    try:
        return bool(msgspec.json.decode(text) == value)
    except (msgspec.DecodeError, RecursionError):
        return False


async def described(block: types.ContentBlock, blobs: Blobs) -> str:
    """What is no text, in words, and where it is kept."""
    match block:
        case types.ImageContent() | types.AudioContent():
            return await kept(block.type, block.mime_type, block.data, blobs)
        case types.EmbeddedResource(resource=types.TextResourceContents() as resource):
            return f"[resource {one_line(str(resource.uri), WORD_MAX)}]\n{resource.text}"
        case types.EmbeddedResource(resource=types.BlobResourceContents() as resource):
            name = f"resource {one_line(str(resource.uri), WORD_MAX)}"
            return await kept(name, resource.mime_type or "", resource.blob, blobs)
        case types.ResourceLink():
            name, uri = one_line(block.name, WORD_MAX), one_line(str(block.uri), WORD_MAX)
            return f"[link to a resource of the server: {name} {uri}]"
    return "[something that cannot be shown]"


async def kept(what: str, kind: str, data: str, blobs: Blobs) -> str:
    """What was kept of something that a model cannot read here."""
    named = f"{what} {one_line(kind, WORD_MAX)}".strip()
    try:
        found = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return f"[{named}, which cannot be decoded]"
    return f'[{named}, {len(found)} bytes, kept at "{await blobs.put(found)}"]'
