"""Provider faults: each error of the layer has one stated course, and none of them names a key."""

from typing import Any

import pytest
from pydantic_ai import exceptions as layer

from leadhand.errors import ModelError
from leadhand.models.provider_faults import fault

NOW_MS = 1_796_000_000_000
HTTP = layer.ModelHTTPError.for_category


def course(error: ModelError) -> tuple[str, bool, bool]:
    """What a caller goes by."""
    return error.kind, error.retryable, error.billed


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (layer.ModelRateLimitError("m", "slow down"), ("rate_limited", True, False)),
        (layer.ModelQuotaExceededError("m", "no money"), ("quota", False, False)),
        (layer.ModelOverloadedError("m", "busy"), ("overloaded", True, False)),
        (layer.ModelUnavailableError("m", "away"), ("overloaded", True, False)),
        (layer.ModelServerError("m", "broken"), ("server", True, True)),
        (layer.ModelContextWindowExceededError("m", "long"), ("context_exceeded", False, False)),
        (layer.ModelAuthenticationError("m", "who?"), ("auth", False, False)),
        (layer.ModelNotFoundError("m", "no such"), ("bad_request", False, False)),
        (layer.ModelRequestRejectedError("m", "no"), ("bad_request", False, False)),
        (layer.ModelRequestTimeout("m", 3.0), ("timeout", True, True)),
        (layer.ModelConnectionError("m", "x", phase="connect"), ("network", True, False)),
        (layer.ModelConnectionError("m", "x", phase="pool"), ("network", True, False)),
        (layer.ModelConnectionError("m", "x", phase="read"), ("network", True, True)),
        (layer.ModelConnectionError("m", "x"), ("network", True, True)),
        (layer.ModelTimeoutError("m", "x", phase="connect"), ("timeout", True, False)),
        (layer.ModelTimeoutError("m", "x", phase="read"), ("timeout", True, True)),
        (layer.ModelAPIError("m", "garbled"), ("protocol", True, True)),
        (layer.UnexpectedModelBehavior("nothing came"), ("protocol", True, True)),
        (layer.UserError("not with this model"), ("bad_request", False, False)),
        (NotImplementedError("no streams"), ("bad_request", False, False)),
        (KeyError("choices"), ("protocol", False, True)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_error_of_the_layer_has_its_course(error: Exception, told: Any) -> None:
    assert course(fault(error, is_open=False, begun=False, now_ms=NOW_MS)) == told


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        # What Bedrock and Gemini say with a status that says less.
        (HTTP(layer.ModelRateLimitError, status_code=400, model_name="m"), "rate_limited"),
        (HTTP(layer.ModelQuotaExceededError, status_code=429, model_name="m"), "quota"),
        (HTTP(layer.ModelAuthenticationError, status_code=400, model_name="m"), "auth"),
        (
            HTTP(layer.ModelContextWindowExceededError, status_code=400, model_name="m"),
            "context_exceeded",
        ),
        (HTTP(layer.ModelUnavailableError, status_code=424, model_name="m"), "overloaded"),
        # And what they do not know.
        (HTTP(layer.ModelServerError, status_code=504, model_name="m"), "timeout"),
        (
            HTTP(
                layer.ModelRequestRejectedError,
                status_code=400,
                model_name="m",
                body={"message": "Your credit balance is too low"},
            ),
            "quota",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_the_surer_of_two_readings_holds(error: layer.ModelHTTPError, kind: str) -> None:
    found = fault(error, is_open=False, begun=False, now_ms=NOW_MS)
    assert (found.kind, found.billed) == (kind, kind == "timeout")


@pytest.mark.parametrize(("begun", "billed"), [(False, False), (True, True)])
def test_an_error_inside_of_a_stream_was_billed_once_words_had_come(
    begun: bool, billed: bool
) -> None:
    error = HTTP(
        layer.ModelOverloadedError,
        status_code=529,
        model_name="m",
        body={"error": {"type": "overloaded_error", "message": "Overloaded"}},
        in_stream=True,
    )
    found = fault(error, is_open=True, begun=begun, now_ms=NOW_MS)
    assert course(found) == ("overloaded", True, billed)
    assert "broke off: Overloaded" in found.message


def test_how_long_to_wait_is_read_wherever_it_stands() -> None:
    for error in (
        HTTP(
            layer.ModelRateLimitError,
            status_code=429,
            model_name="m",
            headers={"Retry-After": "7"},
        ),
        HTTP(layer.ModelRateLimitError, status_code=429, model_name="m", retry_after=7.0),
        layer.ModelRateLimitError("m", "slow", retry_after=7.0),
    ):
        found = fault(error, is_open=False, begun=False, now_ms=NOW_MS)
        assert (found.kind, found.retry_after_secs) == ("rate_limited", 7.0)


@pytest.mark.parametrize(
    "body", [None, "<html>Bad gateway</html>", b"\xff", object(), {"error": "x"}, [1], 3]
)
def test_whatever_a_body_holds_it_is_a_model_error(body: object) -> None:
    error = HTTP(layer.ModelServerError, status_code=502, model_name="m", body=body)
    found = fault(error, is_open=False, begun=False, now_ms=NOW_MS)
    assert course(found) == ("server", True, True)
    assert found.message.startswith("HTTP 502: ")
    assert "<html" not in found.message


def test_a_dropped_connection_says_what_lies_at_the_bottom_of_it() -> None:
    error = layer.ModelConnectionError("m", "Connection error.", phase="read")
    error.__cause__ = RuntimeError("outer")
    error.__cause__.__cause__ = OSError("peer closed")
    found = fault(error, is_open=True, begun=True, now_ms=NOW_MS)
    assert (found.kind, found.message) == ("stream_cut", "peer closed")
