"""Provider faults: what the errors of pydantic-ai's model layer mean, as ModelError."""

from pydantic_ai import exceptions as layer

from leadhand.domain.text import one_line
from leadhand.errors import ModelError, ModelErrorKind
from leadhand.models import faults, wire

# What the layer knows better than a status says, and then the rest of what it knows.
_SURE: tuple[tuple[type[Exception], ModelErrorKind], ...] = (
    (layer.ModelQuotaExceededError, "quota"),
    (layer.ModelContextWindowExceededError, "context_exceeded"),
    (layer.ModelAuthenticationError, "auth"),
    (layer.ModelRateLimitError, "rate_limited"),
    (layer.ModelUnavailableError, "overloaded"),
)
_KINDS: tuple[tuple[type[Exception], ModelErrorKind], ...] = (
    *_SURE,
    (layer.ModelRequestTimeout, "timeout"),
    (layer.ModelServerError, "server"),
    (layer.ModelRequestRejectedError, "bad_request"),
)
_UNSENT = ("pool", "connect")
# Of a rate, of money and of length our own reading of the words is as good.
_OURS = ("quota", "context_exceeded")


def fault(error: Exception, is_open: bool, begun: bool, now_ms: int) -> ModelError:
    """The error of a call. is_open: whether the provider had accepted it; begun: whether words had
    come."""
    if isinstance(error, layer.ModelConnectionError):
        return _unconnected(error, is_open)
    if isinstance(error, layer.ModelHTTPError):
        return _refused(error, begun, now_ms)
    message = one_line(str(error), faults.MESSAGE_MAX) or type(error).__name__
    kind = next((kind for known, kind in _KINDS if isinstance(error, known)), None)
    if kind is not None:
        billed = begun or kind in ("server", "timeout")
        wait = getattr(error, "retry_after", None)
        return ModelError(message, kind=kind, billed=billed, retry_after_secs=wait)
    if isinstance(error, layer.UserError | NotImplementedError):
        # The layer itself will not send that.
        return ModelError(message, kind="bad_request", billed=False)
    if getattr(error.__cause__, "status_code", 200) in range(300, 400):
        return ModelError(f"a redirect: {message}", kind="bad_request", billed=False)
    # What it had begun to say as agreed may be whole the next time.
    expected = isinstance(error, layer.ModelAPIError | layer.UnexpectedModelBehavior)
    return ModelError(message, kind="protocol", retryable=is_open or expected)


def _unconnected(error: layer.ModelConnectionError, is_open: bool) -> ModelError:
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    message = one_line(str(cause), 200) or type(cause).__name__
    if isinstance(error, layer.ModelTimeoutError):
        return ModelError(message, kind="timeout", billed=error.phase not in _UNSENT)
    if is_open:
        return ModelError(message, kind="stream_cut")
    return ModelError(message, kind="network", billed=error.phase not in _UNSENT)


def _refused(error: layer.ModelHTTPError, begun: bool, now_ms: int) -> ModelError:
    body = error.body
    if error.in_stream:
        found = faults.broke_off(body, begun, now_ms)
    else:
        data = body.encode(errors="replace") if isinstance(body, str) else _encoded(body)
        found = faults.refused(error.status_code, error.headers or {}, data, now_ms)
    kind = next((kind for known, kind in _SURE if isinstance(error, known)), found.kind)
    if found.kind in _OURS:
        kind = found.kind
    wait = error.retry_after if found.retry_after_secs is None else found.retry_after_secs
    return ModelError(
        found.message,
        kind=kind,
        billed=found.billed,
        retry_after_secs=wait,
        resets_at=found.resets_at,
    )


def _encoded(body: object) -> bytes:
    try:
        return b"" if body is None else wire.encode(body)
    except (TypeError, ValueError, RecursionError):
        return str(body).encode(errors="replace")
