"""Visitor: who sends a request, by its headers, and which of them go along to the provider."""

from collections.abc import Mapping

from leadhand.domain.ids import ActorId
from leadhand.domain.manifest import Dialect
from leadhand.tokens import Tokens

# Where a client shows its token that needs the usual place for a login of its own.
LOGIN = "X-Leadhand-Token"
TOKEN_MAX = 1_000
# Headers of a client that mean something to its provider; never its key, host or cookies.
_BEGIN: Mapping[Dialect, tuple[str, ...]] = {
    "anthropic": ("anthropic-", "x-stainless-", "x-claude-code-"),
    "openai": ("openai-", "x-codex-", "x-client-request-id", "originator", "session"),
    "openai-chat": ("openai-", "x-stainless-"),
}
_ALWAYS = frozenset(("user-agent", "x-app"))
_LOGIN = frozenset(("authorization", "chatgpt-account-id"))


def foreign(headers: Mapping[str, str], port: int) -> str:
    """Why a request may come from a web page rather than from a client of ours; else empty."""
    ours = [f"{name}:{port}" for name in ("127.0.0.1", "localhost")]
    if headers.get("Host", "") not in ours:
        return "its Host is not ours"
    origin = headers.get("Origin")
    if origin and origin not in [f"http://{host}" for host in ours]:
        return "its Origin is not ours"
    return ""


def known(headers: Mapping[str, str], tokens: Tokens) -> tuple[ActorId, str]:
    """Whose token it is, or why it is nobody's."""
    token = shown(headers)
    if not token:
        return ActorId(""), "it has no token"
    if len(token) > TOKEN_MAX:
        return ActorId(""), "its token is nobody's"
    actor = tokens.holder(token)
    if actor is not None:
        return actor, ""
    former = tokens.former(token)
    if former is not None:
        return former, f"its token was that of {former} and holds no longer"
    return ActorId(""), "its token is nobody's"


def shown(headers: Mapping[str, str]) -> str:
    """The token that a client shows."""
    own = headers.get(LOGIN, "") or headers.get("X-Api-Key", "")
    if own:
        return own.strip()
    kind, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def passed(
    dialect: Dialect, headers: Mapping[str, str], tokens: Tokens, *, login: bool
) -> dict[str, str]:
    """The headers that go along. login: the client's own login is what opens the provider."""
    begin = _BEGIN[dialect]
    found = {
        name: value
        for name, value in headers.items()
        if name.lower() in _ALWAYS or name.lower().startswith(begin)
    }
    for name in _LOGIN if login else ():
        value = headers.get(name, "")
        # Nobody's token goes out, wherever its client shows it.
        if value and tokens.holder(value.rpartition(" ")[2]) is None:
            found[name] = value
    return found
