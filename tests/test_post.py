"""Post: what a sink's answer means, and that a body goes where it was checked to go."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from aiohttp import web

from leadhand.domain.hosts import Address, address
from leadhand.domain.manifest import Notification
from leadhand.errors import NotifyError
from leadhand.post import RETRY_AFTER_MAX_SECS, Post, judge
from leadhand.sinks import ALLOW_HOSTS, Destination, destination
from tests.tools.web_kit import certificate, site


def where(url: str, allow: str) -> Destination:
    """A destination that the environment allows."""
    environ = {"LEADHAND_HOOK": url, ALLOW_HOSTS: allow}
    return destination(Notification("webhook", "${LEADHAND_HOOK}"), environ)


def leading(*texts: str) -> object:
    """A name server that gives these addresses."""

    async def resolve(host: str, port: int) -> list[Address]:
        return [one for text in texts if (one := address(text)) is not None]

    return resolve


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        *((status, False) for status in (301, 400, 401, 404, 413)),
        *((status, True) for status in (408, 425, 429, 500, 503, 599)),
    ],
)
def test_a_status_says_whether_to_try_again(status: int, retryable: bool) -> None:
    with pytest.raises(NotifyError) as caught:
        judge(status, "")
    assert caught.value.retryable == retryable
    judge(200, "")
    judge(204, "")


@pytest.mark.parametrize(
    ("text", "secs"),
    [
        ("7", 7),
        ("0", 0),
        ("1.5", 1.5),
        ("999999999", RETRY_AFTER_MAX_SECS),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("٣", None),
        ("1.2.3", None),
    ],
)
def test_a_retry_after_is_read_in_both_forms_and_bounded(text: str, secs: float | None) -> None:
    with pytest.raises(NotifyError) as caught:
        judge(503, text)
    found = caught.value.retry_after_secs
    assert found == (None if secs is None else secs)


def test_a_retry_after_may_be_a_date() -> None:
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    with pytest.raises(NotifyError) as caught:
        judge(429, then)
    assert caught.value.retry_after_secs == pytest.approx(100, abs=10)


def test_a_name_that_leads_inside_is_never_asked() -> None:
    async def life() -> None:
        async with site(_answered) as server:
            to = where(f"https://hooks.example.com:{server.port}/x", "")
            with pytest.raises(NotifyError, match="a loopback address") as caught:
                await Post(leading("127.0.0.1")).send(to, b"{}", {})  # type: ignore[arg-type]
            assert not caught.value.retryable
            assert server.seen == []

    asyncio.run(life())


async def _answered(request: web.Request) -> web.Response:
    await request.read()
    return web.Response()


def test_https_is_believed_only_by_its_certificate(tmp_path: Path) -> None:
    served, trusting = certificate(tmp_path)

    async def life() -> None:
        async with site(_answered, served) as server:
            to = where(f"{server.url}/s3cret", server.host)
            await Post(tls=trusting).send(to, b'{"a":1}', {"Idempotency-Key": "k"})
            [request] = server.seen
            assert request.headers["Content-Type"] == "application/json"
            assert request.headers["Idempotency-Key"] == "k"
            assert await request.read() == b'{"a":1}'
            with pytest.raises(NotifyError, match="not to be trusted") as caught:
                await Post().send(to, b"{}", {})
            assert "s3cret" not in str(caught.value)

    asyncio.run(life())


def test_one_that_is_not_there_may_come_back() -> None:
    async def life() -> None:
        with pytest.raises(NotifyError, match="cannot be connected to") as caught:
            await Post().send(where("http://127.0.0.1:1/s3cret", "127.0.0.1"), b"", {})
        assert caught.value.retryable
        with pytest.raises(NotifyError, match="its host has no address"):
            await Post(leading()).send(where("https://example.com/", ""), b"", {})  # type: ignore[arg-type]

    asyncio.run(life())
