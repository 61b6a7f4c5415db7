"""Faults: what a provider's refusals and errors mean, as ModelError."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import msgspec

from leadhand.domain.text import one_line
from leadhand.errors import ModelError, ModelErrorKind

Headers = Mapping[str, str]

MESSAGE_MAX = 500
WAIT_MAX_SECS = 40 * 86_400.0

_BY_STATUS: dict[int, ModelErrorKind] = {
    401: "auth",
    402: "quota",
    403: "auth",
    408: "timeout",
    409: "server",
    413: "context_exceeded",
    429: "rate_limited",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
_BY_WORD: dict[str, ModelErrorKind] = {
    "api_error": "server",
    "authentication_error": "auth",
    "billing_error": "quota",
    "billing_hard_limit_reached": "quota",
    "billing_not_active": "quota",
    "context_length_exceeded": "context_exceeded",
    "enforced_spend_limit_reached": "quota",
    "insufficient_quota": "quota",
    "invalid_api_key": "auth",
    "invalid_request_error": "bad_request",
    "not_found_error": "bad_request",
    "overloaded_error": "overloaded",
    "permission_error": "auth",
    "rate_limit_error": "rate_limited",
    "rate_limit_exceeded": "rate_limited",
    "request_too_large": "context_exceeded",
    "server_error": "server",
    "server_is_overloaded": "overloaded",
    "service_unavailable_error": "overloaded",
    "slow_down": "rate_limited",
    "timeout_error": "timeout",
}
# Said under a type that means something else: by Anthropic for money, by all for length.
_BY_PHRASE: tuple[tuple[re.Pattern[str], ModelErrorKind], ...] = (
    (re.compile(r"credit balance is too low|reached your specified .*usage limits"), "quota"),
    (re.compile(r"insufficient (balance|credit|quota)|exceeded your current quota"), "quota"),
    (
        re.compile(r"prompt is too long|exceeds? (the )?context|(context|input) (length|window)"),
        "context_exceeded",
    ),
)
# These are surer than a status.
_SURE = ("quota", "context_exceeded")
_REFUSED: tuple[ModelErrorKind, ...] = (
    "auth",
    "bad_request",
    "overloaded",
    "quota",
    "rate_limited",
)
_AGAIN = re.compile(r"regain access on (\d{4}-\d{2}-\d{2}) at (\d{2}:\d{2}) UTC")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SPAN_SECS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class Said(NamedTuple):
    """What an error says of itself; words: its type and codes. All empty where it says nothing."""

    words: tuple[str, ...] = ()
    message: str = ""


def said(body: Any) -> Said:
    """What the JSON of an error says, in any of the usual shapes."""
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        return Said()
    inner = body.get("error") or body
    if isinstance(inner, str):
        return Said((), inner)
    if not isinstance(inner, dict):
        return Said()
    details = inner.get("details")
    more = details.get("error_code") if isinstance(details, dict) else None
    words = (more, inner.get("code"), inner.get("type"))
    message = inner.get("message") or inner.get("detail") or ""
    return Said(
        tuple(word for word in words if isinstance(word, str) and word),
        message if isinstance(message, str) else "",
    )


def said_in(body: bytes) -> Said:
    """What the body of an error response says."""
    try:
        return said(msgspec.json.decode(body))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Said()


def refused(status: int, headers: Headers, body: bytes, now_ms: int) -> ModelError:
    """The error of a response that is not 200.

    It was not billed where the provider itself says that it did not answer; an error page of
    something in between proves nothing.
    """
    told = said_in(body)
    kind = _kind(told, _BY_STATUS.get(status), "bad_request" if status < 500 else "server")
    if status == 429 and headers.get("anthropic-ratelimit-unified-status") == "rejected":
        # The allowance of a subscription, not its rate: it comes back after hours.
        kind = "quota"
    billed = status in (408, 499) or (status >= 500 and status not in (503, 529))
    if status == 500 and told.words:
        billed = False
    plain = "" if told.message or body[:1] in b"<" else body[:MESSAGE_MAX].decode(errors="replace")
    where = f" to {headers['Location']}" if status < 400 and "Location" in headers else ""
    message = f"HTTP {status}{where}: {told.message or plain or 'no message'}"
    wait = _wait_secs(headers, now_ms)
    return ModelError(
        one_line(message, MESSAGE_MAX),
        kind=kind,
        billed=billed,
        retry_after_secs=wait,
        resets_at=_resets_at(told, headers, now_ms, wait) if kind == "quota" else None,
    )


def broke_off(body: Any, begun: bool, now_ms: int) -> ModelError:
    """The error that came inside of a stream. begun: whether words had come before it."""
    told = said(body)
    kind = _kind(told, None, "server")
    return ModelError(
        one_line(f"the answer broke off: {told.message or 'no message'}", MESSAGE_MAX),
        kind=kind,
        billed=begun or kind not in _REFUSED,
        resets_at=_resets_at(told, {}, now_ms, None) if kind == "quota" else None,
    )


def _kind(
    told: Said, by_status: ModelErrorKind | None, otherwise: ModelErrorKind
) -> ModelErrorKind:
    """What went wrong: by words that are surer than a status, by the status, by other words."""
    low = told.message.lower()
    kinds = [_BY_WORD[word] for word in told.words if word in _BY_WORD]
    kinds += [kind for pattern, kind in _BY_PHRASE if pattern.search(low)]
    sure = next((kind for kind in kinds if kind in _SURE), None)
    return sure or by_status or (kinds[0] if kinds else otherwise)


def _wait_secs(headers: Headers, now_ms: int) -> float | None:
    """How long the provider asks to wait: Retry-After in its forms, else until the limit that is
    used up comes back."""
    millis = _number(headers.get("retry-after-ms"))
    if millis is not None:
        return _bounded(millis / 1000)
    text = headers.get("retry-after", "").strip()
    secs = _number(text)
    if secs is not None:
        return _bounded(secs)
    if text:
        return _until(_http_date(text), now_ms)
    epoch = _number(headers.get("anthropic-ratelimit-unified-reset"))
    waits = [] if epoch is None else [_bounded(epoch - now_ms / 1000)]
    for name, value in headers.items():
        what, found, tail = name.lower().rpartition("-remaining")
        if value.strip() != "0" or not found:
            continue
        # Anthropic: anthropic-ratelimit-tokens-remaining; OpenAI: x-ratelimit-remaining-tokens.
        wait = _reset_secs(headers.get(f"{what}-reset{tail}", ""), now_ms)
        if wait is not None:
            waits.append(wait)
    return max(waits, default=None)


def _reset_secs(text: str, now_ms: int) -> float | None:
    """Seconds until a reset given as RFC 3339 or as `6m0s`."""
    spans = _SPAN.findall(text)
    if spans and _SPAN.sub("", text) == "":
        return _bounded(sum(float(count) * _SPAN_SECS[unit] for count, unit in spans))
    try:
        return _until(datetime.fromisoformat(text), now_ms)
    except ValueError:
        return None


def _resets_at(told: Said, headers: Headers, now_ms: int, wait: float | None) -> int | None:
    """When a quota comes back: as its message, its headers or the vendor's rule have it."""
    when = _AGAIN.search(told.message)
    if when:
        try:
            return _ms(datetime.fromisoformat(f"{when[1]}T{when[2]}+00:00"))
        except ValueError:
            return None
    epoch = _number(headers.get("anthropic-ratelimit-unified-reset"))
    if epoch is not None:
        return int(epoch * 1000)
    if "enforced_spend_limit_reached" in told.words:
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
        year, month = (now.year + 1, 1) if now.month == 12 else (now.year, now.month + 1)
        return _ms(datetime(year, month, 1, tzinfo=UTC))
    return None if wait is None else now_ms + int(wait * 1000)


def _number(text: str | None) -> float | None:
    try:
        found = float(text or "")
    except ValueError:
        return None
    return found if math.isfinite(found) and 0 <= found < 1e12 else None


def _http_date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None


def _until(when: datetime | None, now_ms: int) -> float | None:
    if when is None:
        return None
    return _bounded((_ms(when) - now_ms) / 1000)


def _ms(when: datetime) -> int:
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)


def _bounded(secs: float) -> float:
    return min(max(0.0, secs), WAIT_MAX_SECS)
