"""Web get: no address is asked that was not checked, by whatever way it is come to."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from leadhand.dial import gated
from leadhand.domain.hosts import Address
from leadhand.refusals import HostNotAllowed, InvalidArguments, Refused, ToolFailed
from leadhand.tools.work.web_fetch import Limits
from leadhand.tools.work.web_get import Web
from tests.tools.web_kit import Browser, body_of, browsing, certificate, site, wire


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "root"


async def hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


def leading(to: str, status: int = 302) -> Any:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/end":
            return web.Response(text="the end")
        return web.Response(status=status, headers={"Location": to})

    return answer


def names(**known: list[str]) -> Callable[[str, int], Awaitable[list[Address]]]:
    """Name servers that know these names; each look-up of a name gives its next address."""

    async def resolve(host: str, port: int) -> list[Address]:
        key = host.replace(".", "_")
        if key not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        found = known[key].pop(0) if len(known[key]) > 1 else known[key][0]
        return [ipaddress.ip_address(each) for each in found.split()]

    return resolve


# --- addresses


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1.2.3", "0.0.0.0", "localhost", "LOCALHOST.", "[::1]", "[::]"),
        *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]"),
        *(
            "2130706433",
            "0x7f000001",
            "017700000001",
            "127.1",
            "127.0.1",
            "0x7f.0.0.1",
            "0177.0.0.1",
        ),
        *("127.0.0.1.", "１２７.０.０.１", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "127。0。0。1"),
    ],
)
def test_this_machine_is_not_asked_unless_that_is_allowed(folder: Path, host: str) -> None:
    async def deed(browser: Browser) -> None:
        async with site(hello) as server:
            try:
                with pytest.raises((HostNotAllowed, InvalidArguments)) as caught:
                    await browser.get(f"http://{host}:{server.port}/")
            finally:
                assert server.seen == []
            assert caught.value.next_step

    browsing(folder, deed)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://169.254.169.254/latest/meta-data/",
            "http://[fd00:ec2::254]/",
            "http://10.0.0.1/",
        ),
        *("http://100.100.100.200/", "http://168.63.129.16/", "http://192.168.0.1/admin"),
        *("http://224.0.0.1/", "http://255.255.255.255/", "http://[fe80::1]/", "http://[ff02::1]/"),
        "http://[2002:7f00:1::]/",
    ],
)
def test_private_networks_and_metadata_are_not_asked(folder: Path, url: str) -> None:
    with pytest.raises(HostNotAllowed, match="is not fetched") as caught:
        browsing(folder, lambda browser: browser.get(url))
    assert "allow_hosts" in caught.value.next_step


@pytest.mark.parametrize("allow", ["localhost", "127.0.0.1", "127.0.0.0/8", "localhost:{port}"])
def test_localhost_is_asked_where_it_is_allowed(folder: Path, allow: str) -> None:
    async def deed(browser: Browser) -> str:
        async with site(hello) as server:
            entries = allow.format(port=server.port), "::1"
            return await browser.get(f"http://localhost:{server.port}/", *entries)

    assert body_of(browsing(folder, deed)) == "hello"


def test_another_port_of_an_allowed_host_is_not_asked(folder: Path) -> None:
    async def deed(browser: Browser) -> None:
        async with site(hello) as server:
            with pytest.raises(HostNotAllowed):
                await browser.get(server.url, "127.0.0.1:1", "localhost:2")
            assert server.seen == []

    browsing(folder, deed)


def test_a_name_that_leads_here_is_refused_with_where_it_leads(folder: Path) -> None:
    async def deed(browser: Browser) -> None:
        async with site(hello) as server:
            with pytest.raises(HostNotAllowed, match=r"leads to 127\.0\.0\.1, a loopback address"):
                await browser.get(f"http://rebind.example:{server.port}/")
            assert server.seen == []

    browsing(folder, deed, resolve=names(rebind_example=["127.0.0.1"]))


def test_a_name_is_looked_up_once_and_that_address_is_asked(folder: Path) -> None:
    async def deed(browser: Browser) -> str:
        async with site(hello) as good, site(hello, address="127.0.0.2", port=good.port) as bad:
            text = await browser.get(f"http://rebind.example:{good.port}/", "127.0.0.1")
            assert (len(good.seen), len(bad.seen)) == (1, 0)
            assert good.seen[0].headers["Host"] == f"rebind.example:{good.port}"
            return text

    first_then = names(rebind_example=["127.0.0.1", "127.0.0.2"])
    assert body_of(browsing(folder, deed, resolve=first_then)) == "hello"


def test_of_several_addresses_only_those_that_may_be_are_asked(folder: Path) -> None:
    async def deed(browser: Browser) -> str:
        async with site(hello) as good, site(hello, address="127.0.0.2", port=good.port) as bad:
            text = await browser.get(f"http://both.example:{good.port}/", "127.0.0.1")
            assert bad.seen == []
            return text

    both = names(both_example=["127.0.0.2 10.0.0.1 127.0.0.1 ::1"])
    assert body_of(browsing(folder, deed, resolve=both)) == "hello"


@pytest.mark.parametrize("entry", ["a.internal", "*.internal", "*.internal:{port}"])
def test_a_name_may_be_allowed_wherever_it_leads(folder: Path, entry: str) -> None:
    async def deed(browser: Browser) -> str:
        async with site(hello) as server:
            allow = entry.format(port=server.port)
            return await browser.get(f"http://A.Internal.:{server.port}/", allow)

    assert body_of(browsing(folder, deed, resolve=names(a_internal=["127.0.0.1"]))) == "hello"


def test_a_name_that_nobody_knows_is_a_failure_that_says_so(folder: Path) -> None:
    with pytest.raises(ToolFailed, match=r"nowhere\.example has no address: Name or service"):
        browsing(folder, lambda browser: browser.get("http://nowhere.example/"), resolve=names())


@pytest.mark.slow
def test_a_name_server_that_does_not_answer_is_given_up(folder: Path) -> None:
    async def silent(host: str, port: int) -> list[Address]:
        await asyncio.sleep(60)
        return []

    with pytest.raises(ToolFailed, match=r"no answer within 0\.3 s"):
        browsing(
            folder,
            lambda browser: browser.get("http://slow.example/"),
            limits=Limits(total_secs=0.3),
            resolve=silent,
        )


def test_no_socket_is_made_for_an_address_that_was_not_checked() -> None:
    checked = frozenset({ipaddress.ip_address("127.0.0.1")})

    def asked(where: str) -> socket.socket:
        return gated(checked, (socket.AF_INET, socket.SOCK_STREAM, 0, "", (where, 80)))

    asked("127.0.0.1").close()
    for where in ("127.0.0.2", "localhost", "2130706433", ""):
        with pytest.raises(OSError, match="was not checked"):
            asked(where)


HIDDEN = st.one_of(
    *(
        st.ip_addresses(network=network)
        for network in ("127.0.0.0/8", "10.0.0.0/8", "169.254.0.0/16")
    ),
    *(
        st.ip_addresses(network=network)
        for network in ("100.64.0.0/10", "192.168.0.0/16", "224.0.0.0/4")
    ),
    *(st.ip_addresses(network=network) for network in ("fc00::/7", "fe80::/10", "::ffff:0:0/96")),
)


@st.composite
def spellings(draw: st.DrawFn) -> str:
    where = draw(HIDDEN)
    if isinstance(where, ipaddress.IPv6Address):
        return draw(st.sampled_from([f"[{where}]", f"[{where.exploded}]", f"[{where}]".upper()]))
    bits = int(where)
    parts = [bits >> shift & 255 for shift in (24, 16, 8, 0)]
    form = draw(st.sampled_from(["{}", "0{:o}", "0x{:x}", "0X{:02X}", "{:03d}"]))
    whole = draw(st.sampled_from(["{}", "0{:o}", "0x{:x}", "0x{:08X}"])).format(bits)
    dotted = ".".join(form.format(part) for part in parts)
    short = ".".join([*(form.format(part) for part in parts[:2]), str(bits & 0xFFFF)])
    wide = "".join(chr(ord(char) + 0xFEE0) if char.isdigit() else char for char in dotted)
    mapped = f"[::ffff:{where}]"
    text = draw(st.sampled_from([whole, dotted, short, wide, mapped, str(where)]))
    return text + draw(st.sampled_from(["", ".", ":80", ".:80"])) if text[0] != "[" else text


@settings(max_examples=50)
@given(spellings(), st.sampled_from(["http", "https", "HTTP"]))
def test_no_spelling_of_a_hidden_address_gets_anywhere(host: str, scheme: str) -> None:
    async def never(name: str, port: int) -> list[Address]:
        raise AssertionError(f"{name} was looked up")

    with pytest.raises(Refused) as caught:
        asyncio.run(Web(resolve=never).get(f"{scheme}://{host}/", (), Limits(), body=True))
    assert isinstance(caught.value, HostNotAllowed | InvalidArguments)


# --- redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_and_told(folder: Path, status: int) -> None:
    async def deed(browser: Browser) -> tuple[str, str]:
        async with site(leading("/end", status)) as server:
            return server.url, await browser.get(f"{server.url}/start", server.host)

    url, text = browsing(folder, deed)
    assert f"\nURL: {url}/end\nRedirected by: {status} {url}/start\nHeaders" in text
    assert body_of(text) == "the end"


@pytest.mark.parametrize("status", [300, 304, 305, 399])
def test_what_is_no_redirect_is_the_answer(folder: Path, status: int) -> None:
    async def deed(browser: Browser) -> str:
        async with site(leading("/end", status)) as server:
            return await browser.get(server.url, server.host)

    assert f"Status: HTTP/1.1 {status}" in browsing(folder, deed)


def test_a_redirect_to_nowhere_is_the_answer(folder: Path) -> None:
    async def deed(browser: Browser) -> str:
        async with site(leading("")) as server:
            return await browser.get(server.url, server.host)

    assert "Status: HTTP/1.1 302" in browsing(folder, deed)


@pytest.mark.parametrize(
    "to",
    [
        *("http://127.0.0.1:{port}/", "http://localhost:{port}/", "//[::1]:{port}/"),
        *("http://169.254.169.254/latest/meta-data/", "http://2130706433:{port}/", "http://127.1/"),
        *("http://a:b@127.0.0.1:{port}/", "file:///etc/passwd", "ftp://127.0.0.1:{port}/"),
        *("http://0.0.0.0:{port}/", "http://[::ffff:127.0.0.1]:{port}/", "http://inside.example/"),
    ],
)
def test_a_redirect_to_where_nobody_may_go_is_not_followed(folder: Path, to: str) -> None:
    async def deed(browser: Browser) -> None:
        async with site(hello) as hidden, site(leading(to.format(port=hidden.port))) as server:
            with pytest.raises((HostNotAllowed, ToolFailed)) as caught:
                await browser.get(server.url, server.host)
            assert hidden.seen == []
            assert server.url in caught.value.message

    browsing(folder, deed, resolve=names(inside_example=["10.0.0.7"], localhost=["127.0.0.1 ::1"]))


@pytest.mark.parametrize("count", [5, 6])
def test_so_many_redirects_are_followed_and_no_more(folder: Path, count: int) -> None:
    async def answer(request: web.Request) -> web.Response:
        number = int(request.path[1:])
        if number == count:
            return web.Response(text="the end")
        return web.Response(status=307, headers={"Location": f"/{number + 1}"})

    async def deed(browser: Browser) -> str:
        async with site(answer) as server:
            try:
                return await browser.get(f"{server.url}/0", server.host)
            finally:
                assert len(server.seen) == 6

    if count == 5:
        assert body_of(browsing(folder, deed)) == "the end"
        return
    with pytest.raises(ToolFailed, match="more than 5"):
        browsing(folder, deed)


@pytest.mark.parametrize("to", ["/", "/?x", "http://127.0.0.1:{port}"])
def test_a_circle_is_left_at_once(folder: Path, to: str) -> None:
    async def deed(browser: Browser) -> None:
        async def answer(request: web.Request) -> web.Response:
            back = "/" if request.query_string else to.format(port=server.port)
            return web.Response(status=301, headers={"Location": back})

        async with site(answer) as server:
            with pytest.raises(ToolFailed, match="they lead in a circle"):
                await browser.get(server.url, server.host)
            assert len(server.seen) <= 2

    browsing(folder, deed)


@pytest.mark.slow
def test_all_redirects_share_one_deadline(folder: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(0.2)
        return web.Response(status=302, headers={"Location": f"/{len(request.path)}/x"})

    async def deed(browser: Browser) -> None:
        async with site(answer) as server:
            await browser.get(server.url, server.host)

    with pytest.raises(ToolFailed, match=r"no answer within 0\.5 s|circle"):
        browsing(folder, deed, Limits(total_secs=0.5, redirects=50))


# --- https


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    try:
        return certificate(tmp_path_factory.mktemp("tls"))
    except FileNotFoundError:
        pytest.skip("there is no openssl to make a certificate with")


Tls = tuple[ssl.SSLContext, ssl.SSLContext]


@pytest.mark.slow
def test_https_is_spoken_to_whom_the_machine_trusts(folder: Path, tls: Tls) -> None:
    async def deed(browser: Browser) -> str:
        async with site(hello, tls[0]) as server:
            return await browser.get(server.url, server.host)

    assert body_of(browsing(folder, deed, tls=tls[1])) == "hello"


@pytest.mark.slow
def test_https_is_not_spoken_to_strangers(folder: Path, tls: Tls) -> None:
    async def deed(browser: Browser) -> None:
        async with site(hello, tls[0]) as server:
            await browser.get(server.url, server.host)

    with pytest.raises(ToolFailed, match="not to be trusted"):
        browsing(folder, deed)


@pytest.mark.slow
def test_a_certificate_for_another_host_is_not_believed(folder: Path, tls: Tls) -> None:
    async def deed(browser: Browser) -> None:
        async with site(hello, tls[0]) as server:
            await browser.get(f"https://other.example:{server.port}/", "other.example")

    with pytest.raises(ToolFailed, match="not to be trusted"):
        browsing(folder, deed, tls=tls[1], resolve=names(other_example=["127.0.0.1"]))


@pytest.mark.slow
def test_https_does_not_lead_to_http(folder: Path, tls: Tls) -> None:
    async def deed(browser: Browser) -> None:
        async with site(hello) as plain, site(leading(plain.url), tls[0]) as server:
            try:
                await browser.get(server.url, server.host, plain.host)
            finally:
                assert plain.seen == []

    with pytest.raises(ToolFailed, match="leave https for http"):
        browsing(folder, deed, tls=tls[1])


@pytest.mark.slow
def test_http_leads_to_https(folder: Path, tls: Tls) -> None:
    async def deed(browser: Browser) -> str:
        async with site(hello, tls[0]) as safe, site(leading(safe.url)) as server:
            return await browser.get(server.url, server.host, safe.host)

    assert "Redirected by: 302 http://127.0.0.1:" in browsing(folder, deed, tls=tls[1])


@pytest.mark.slow
def test_a_server_that_does_not_speak_tls_is_a_failure(folder: Path) -> None:
    async def mail(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example\r\n")
        await writer.drain()

    async def deed(browser: Browser) -> None:
        async with wire(mail) as server:
            await browser.get(f"https://127.0.0.1:{server.port}/", server.host)

    with pytest.raises(ToolFailed):
        browsing(folder, deed, Limits(total_secs=2.0))
