"""Spoken: how the gateway itself answers a client: refusals in its dialect, and which models are.

A refusal has the status at which the client of a dialect gives up at once, found by running them.
Claude Code: 402 with x-should-retry false (one request; 400 makes six, 404 two, 401 and 403 are
told as a login that failed). Codex: 400 (one request; 401, 402, 403 and 404 make six).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from leadhand.domain.manifest import Dialect
from leadhand.errors import ModelErrorKind

NO_RETRY = {"x-should-retry": "false"}
# By dialect and deed: status and type of an error.
_STOPS: Mapping[Dialect, tuple[int, str]] = {
    "anthropic": (402, "billing_error"),
    "openai": (400, "invalid_request_error"),
    "openai-chat": (402, "insufficient_quota"),
}
_UNKNOWN_MODEL: Mapping[Dialect, tuple[int, str]] = {
    "anthropic": (404, "not_found_error"),
    "openai": (400, "model_not_found"),
    "openai-chat": (404, "model_not_found"),
}
_FAILED: Mapping[ModelErrorKind, int] = {"timeout": 504, "overloaded": 529, "rate_limited": 429}


class Said(Struct, frozen=True):
    """A response: its status, headers and body."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = {}


def error(dialect: Dialect, status: int, kind: str, message: str) -> Said:
    """An error that is not worth trying again."""
    inner = {"type": kind, "message": message}
    if dialect == "anthropic":
        return Said(status, {"type": "error", "error": inner}, NO_RETRY)
    return Said(status, {"error": inner | {"code": kind, "param": None}}, NO_RETRY)


def stop(dialect: Dialect, message: str) -> Said:
    """The refusal of a call, at which the client gives up."""
    return error(dialect, *_STOPS[dialect], message)


def unknown_model(dialect: Dialect, message: str) -> Said:
    """The refusal of a model."""
    return error(dialect, *_UNKNOWN_MODEL[dialect], message)


def failed(dialect: Dialect, kind: ModelErrorKind, message: str, *, again: bool) -> Said:
    """A failure of the provider that has no words of its own. again: whether to try again."""
    said = error(dialect, _FAILED.get(kind, 502), "api_error", message)
    return Said(said.status, said.body, {} if again else NO_RETRY)


def models(names: Iterable[str]) -> dict[str, Any]:
    """The list of models, as all dialects read it."""
    data = [
        {"id": name, "type": "model", "object": "model", "display_name": name, "owned_by": "run"}
        for name in names
    ]
    return {"object": "list", "data": data, "has_more": False}
