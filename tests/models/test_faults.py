"""Faults: every way that a provider can fail has one stated course: a ModelError that says what
went wrong, whether it may be asked again, whether it was billed, and never a key."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadhand.errors import ModelError
from leadhand.models import faults
from leadhand.models.http import Limits
from leadhand.testing.step import Step
from tests.models.kit import (
    ANTHROPIC,
    CHAT,
    KEY,
    RESPONSES,
    Dialect,
    World,
    asked,
    fault,
    over_all,
    over_http,
    playing,
)

SHORT = Limits(connect_secs=0.3, first_byte_secs=0.3, silence_secs=0.3, total_secs=30)
LONG_TEXT = "word " * 200


def course(error: ModelError) -> tuple[str, bool, bool]:
    """What a caller goes by: kind, retryable, billed."""
    return error.kind, error.retryable, error.billed


STATUSES = [
    (400, "bad_request", False, False),
    (401, "auth", False, False),
    (402, "quota", False, False),
    (403, "auth", False, False),
    (404, "bad_request", False, False),
    (408, "timeout", True, True),
    (409, "server", True, False),
    (413, "context_exceeded", False, False),
    (422, "bad_request", False, False),
    (429, "rate_limited", True, False),
    (500, "server", True, False),
    (502, "server", True, True),
    (503, "overloaded", True, False),
    (504, "timeout", True, True),
    (529, "overloaded", True, False),
]


@over_all
@pytest.mark.parametrize(("status", "kind", "retryable", "billed"), STATUSES)
def test_each_status_has_its_course(
    dialect: Dialect, status: int, kind: str, retryable: bool, billed: bool
) -> None:
    error = fault(dialect, Step(status=status, text="because"))
    assert course(error) == (kind, retryable, billed)
    assert f"HTTP {status}" in error.message
    assert "because" in error.message


@over_all
@pytest.mark.parametrize(("status", "billed"), [(500, True), (502, True), (503, False)])
def test_an_error_page_of_something_in_between_proves_nothing(
    dialect: Dialect, status: int, billed: bool
) -> None:
    error = fault(dialect, Step(status=status, body="<html><h1>Bad gateway</h1></html>"))
    assert (error.retryable, error.billed) == (True, billed)
    assert "<" not in error.message


@over_http
def test_a_page_instead_of_a_stream_is_no_answer(dialect: Dialect) -> None:
    headers = {"Content-Type": "text/html"}
    error = fault(dialect, Step(text="Sign in to this network", headers=headers))
    assert course(error) == ("protocol", False, True)
    assert "text/html" in error.message


@over_all
@pytest.mark.parametrize(
    ("headers", "secs"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait_is_told(
    dialect: Dialect, headers: dict[str, str], secs: float | None
) -> None:
    error = fault(dialect, Step(status=429, headers=headers))
    assert error.retry_after_secs == secs
    assert error.resets_at is None


@over_all
def test_money_that_is_used_up_is_no_rate_limit(dialect: Dialect) -> None:
    error = fault(dialect, Step(status=429, error="insufficient_quota", text="pay"))
    assert course(error) == ("quota", False, False)


@over_all
def test_a_conversation_that_is_too_long_is_no_ordinary_bad_request(dialect: Dialect) -> None:
    text = "prompt is too long: 210000 tokens > 200000 maximum"
    error = fault(dialect, Step(status=400, text=text))
    assert course(error) == ("context_exceeded", False, False)


@over_http
@pytest.mark.parametrize("events", [0, 1, 3, 6])
def test_a_stream_that_is_cut_may_have_been_billed(dialect: Dialect, events: int) -> None:
    error = fault(dialect, Step(text=LONG_TEXT, drop_after=events))
    assert course(error) == ("stream_cut", True, True)


@over_all
def test_a_stream_that_is_cut_inside_of_an_event_is_cut(dialect: Dialect) -> None:
    error = fault(dialect, Step(text=LONG_TEXT, drop_after_bytes=1_000))
    assert course(error) == ("stream_cut", True, True)


@over_all
def test_a_connection_that_closes_without_an_answer_may_have_been_billed(
    dialect: Dialect,
) -> None:
    def script(request: object) -> Step:
        raise ModelError("gone", kind="network")

    assert course(fault(dialect, script)) == ("network", True, True)


@over_all
def test_a_server_that_cannot_be_reached_was_not_billed(dialect: Dialect) -> None:
    async def deed(world: World) -> ModelError:
        await world.server.stop()
        return await world.fault(asked(dialect))

    error = playing(dialect, "Yes.", deed)
    assert course(error) == ("network", True, False)


@over_all
def test_the_first_byte_is_waited_for_until_its_deadline(dialect: Dialect) -> None:
    began = time.monotonic()
    error = fault(dialect, Step(text="late", delay_secs=60), SHORT)
    assert course(error) == ("timeout", True, True)
    assert "first byte" in error.message
    assert time.monotonic() - began < 3


@over_all
@pytest.mark.parametrize("events", [0, 4])
def test_silence_is_waited_for_until_its_deadline(dialect: Dialect, events: int) -> None:
    async def deed(world: World) -> ModelError:
        error = await world.fault(asked(dialect))
        await world.server.until_idle()
        assert [seen.ended for seen in world.server.seen] == ["left"]
        return error

    error = playing(dialect, Step(text=LONG_TEXT, silent_after=events), deed, SHORT)
    assert course(error) == ("timeout", True, True)
    assert ("next word" if events else "first byte") in error.message


@over_all
def test_an_answer_without_end_is_left_at_the_last_deadline(dialect: Dialect) -> None:
    limits = Limits(first_byte_secs=5, silence_secs=5, total_secs=0.5)
    error = fault(dialect, Step(text=LONG_TEXT * 50, chunk_delay_secs=0.05), limits)
    assert course(error) == ("timeout", True, True)
    assert "0.5 s" in error.message


@over_http
@pytest.mark.parametrize(
    "garbage", ["data: {not json}\n\n", 'data: {"type": 3}\n\n', "data: [1, 2]\n\n"]
)
def test_an_event_that_cannot_be_read_may_come_out_right_the_next_time(
    dialect: Dialect, garbage: str
) -> None:
    if dialect is CHAT and "type" in garbage:
        garbage = 'data: {"choices": 3}\n\n'
    error = fault(dialect, Step(text=LONG_TEXT, garbage=garbage))
    assert course(error) == ("protocol", True, True)


@over_all
def test_an_event_of_a_kind_that_is_not_known_yet_is_passed_over(dialect: Dialect) -> None:
    garbage = ': a comment\n\ndata: {"type": "from.the.future", "delta": [3], "index": "x"}\n\n'
    if dialect is CHAT:
        garbage = ': a comment\n\ndata: {"object": "from.the.future"}\n\n'

    async def deed(world: World) -> str:
        return (await world.ask(asked(dialect))).stop_reason

    assert playing(dialect, Step(text="Yes.", garbage=garbage), deed) == "end_turn"


@over_http
@pytest.mark.parametrize("figure", [-5, "many", 1.5, 10**30, [], {}])
def test_usage_figures_that_are_none_are_no_answer(dialect: Dialect, figure: Any) -> None:
    name = "completion_tokens" if dialect is CHAT else "output_tokens"
    error = fault(dialect, Step(text="Yes.", figures={name: figure}))
    assert course(error) == ("protocol", True, True)


@over_all
def test_no_key_is_in_any_error(dialect: Dialect) -> None:
    """Some servers repeat the key that they refuse."""
    for step in (
        Step(status=401, text=f"Incorrect API key provided: {KEY}"),
        Step(status=400, body=f"what is {KEY}?", headers={"Content-Type": "text/plain"}),
        Step(status=302, text="moved", headers={"Location": f"http://127.0.0.1/?{KEY}"}),
        Step(text="", garbage=f'data: {{"error": {{"message": "{KEY}"}}, "type": "error"}}\n\n'),
    ):
        error: BaseException | None = fault(dialect, step)
        seen = 0
        while error is not None:
            assert KEY not in f"{error!s} {error!r} {error.args}"
            error, seen = error.__context__ or error.__cause__, seen + 1
        assert seen >= 1


@over_http
def test_a_redirect_is_not_followed_with_the_key(dialect: Dialect) -> None:
    error = fault(dialect, Step(status=307, headers={"Location": "http://elsewhere.test/v1"}))
    assert course(error) == ("bad_request", False, False)
    assert "elsewhere.test" in error.message


# What only one of them says


def test_anthropic_an_overload_before_the_first_word_was_not_billed() -> None:
    said = 'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}\n\n'  # noqa: E501
    error = faults.broke_off({"error": {"type": "overloaded_error", "message": "x"}}, False, 0)
    assert course(error) == ("overloaded", True, False)
    assert course(fault(ANTHROPIC, Step(text=LONG_TEXT, garbage=said))) == (
        "overloaded",
        True,
        True,
    )


@pytest.mark.parametrize(
    ("status", "code", "text", "headers", "resets"),
    [
        (
            400,
            "",
            (
                "You have reached your specified API usage limits. You will regain access on "
                "2026-12-01 at 00:00 UTC."
            ),
            {},
            1_796_083_200_000,
        ),
        (400, "", "Your credit balance is too low to access the Anthropic API.", {}, None),
        (402, "billing_error", "Check your payment details.", {}, None),
        (429, "insufficient_quota", "You exceeded your current quota.", {}, None),
        (
            429,
            "rate_limit_error",
            "this plan's limit",
            {
                "anthropic-ratelimit-unified-status": "rejected",
                "anthropic-ratelimit-unified-reset": "1796083200",
            },
            1_796_083_200_000,
        ),
    ],
)
def test_anthropic_a_quota_says_when_it_comes_back(
    status: int, code: str, text: str, headers: dict[str, str], resets: int | None
) -> None:
    error = fault(ANTHROPIC, Step(status=status, error=code, text=text, headers=headers))
    assert course(error) == ("quota", False, False)
    assert error.resets_at == resets


NOW_MS = 1_796_000_000_000  # 2026-11-30T00:53:20Z


def test_anthropic_a_spend_cap_lasts_until_the_month_is_over() -> None:
    body = (
        b'{"type": "error", "error": {"type": "rate_limit_error", "message": "cap",'
        b' "details": {"error_code": "enforced_spend_limit_reached"}}}'
    )
    error = faults.refused(429, {}, body, NOW_MS)
    assert error.kind == "quota"
    assert error.resets_at == 1_796_083_200_000
    december = faults.refused(429, {}, body, 1_797_000_000_000)
    assert december.resets_at == 1_798_761_600_000


@pytest.mark.parametrize(
    ("headers", "secs"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360.0),
        (
            {
                "x-ratelimit-remaining-requests": "10",
                "x-ratelimit-reset-requests": "1h",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "120ms",
            },
            0.12,
        ),
        (
            {
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2026-11-30T00:53:50Z",
            },
            30.0,
        ),
        ({"retry-after": "Mon, 30 Nov 2026 00:54:20 GMT"}, 60.0),
        ({"retry-after": "99999999999"}, faults.WAIT_MAX_SECS),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "tomorrow"}, None),
    ],
)
def test_limits_say_when_they_come_back_in_their_own_words(
    headers: dict[str, str], secs: float | None
) -> None:
    assert faults.refused(429, headers, b"{}", NOW_MS).retry_after_secs == secs


def test_responses_a_failure_inside_of_the_stream_has_its_kind() -> None:
    for code, kind in (
        ("rate_limit_exceeded", "rate_limited"),
        ("insufficient_quota", "quota"),
        ("server_error", "server"),
        ("context_length_exceeded", "context_exceeded"),
    ):
        failed = (
            '{"type": "response.failed", "response": {"error": '
            f'{{"code": "{code}", "message": "no"}}}}}}'
        )
        error = fault(RESPONSES, Step(text=LONG_TEXT, garbage=f"data: {failed}\n\n"))
        assert error.kind == kind
        assert error.billed == (kind in ("server", "context_exceeded"))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "type", "code", "message", "detail", "details", "x"]), inner
        )
    ),
    max_leaves=8,
)


@given(st.integers(100, 599), st.binary(max_size=200), st.text(max_size=30), JSON)
def test_whatever_refuses_is_a_model_error(status: int, body: bytes, text: str, json: Any) -> None:
    headers = dict.fromkeys(
        (
            "retry-after",
            "retry-after-ms",
            "anthropic-ratelimit-unified-reset",
            "x-ratelimit-reset-tokens",
        ),
        text,
    )
    headers["x-ratelimit-remaining-tokens"] = "0"
    assert isinstance(faults.refused(status, headers, body, NOW_MS), ModelError)
    assert isinstance(faults.broke_off(json, True, NOW_MS), ModelError)
