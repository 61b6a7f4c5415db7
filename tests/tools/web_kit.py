"""Web kit: real servers on loopback, well-behaved and not, and WebFetch against them."""

import asyncio
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from leadhand.tool import Caller
from leadhand.tools.work.web_fetch import Limits, web_fetch_tool
from leadhand.tools.work.web_get import Web
from tests.tools.kit import ask, using

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Deed = Callable[["Browser"], Awaitable[Any]]


class Site:
    """A server. seen: the requests that it got."""

    def __init__(self, port: int, scheme: str = "http") -> None:
        self.port, self.scheme = port, scheme
        self.seen: list[Any] = []

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


@asynccontextmanager
async def site(
    answer: Answer, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Site]:
    """A web server that answers every path."""
    found = Site(0, "https" if tls else "http")

    async def keep(request: web.Request) -> web.StreamResponse:
        found.seen.append(request)
        return await answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", keep)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, address, port, ssl_context=tls).start()
        found.port = runner.addresses[0][1]
        yield found
    finally:
        await runner.cleanup()


@asynccontextmanager
async def wire(talk: Talk) -> AsyncIterator[Site]:
    """A server that says what it likes."""
    found = Site(0)
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        found.seen.append(writer.get_extra_info("peername"))
        with suppress(OSError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def threaded(headers: Mapping[str, str]) -> Iterator[str]:
    """The URL of a server outside any event loop, which sends these headers with /good only."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for name, value in headers.items() if self.path == "/good" else ():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"page")

        def log_message(self, *args: object) -> None:
            """Silence."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Browser:
    """WebFetch in the hands of a caller."""

    def __init__(self, caller: Caller, limits: Limits, web: Web) -> None:
        self.caller, self.web = caller, web
        self.tool = web_fetch_tool(lambda: web.get, limits)

    async def get(self, url: str, *allow: str, **args: Any) -> str:
        """What the tool shows of a URL. allow: the hosts that the manifest allows."""
        caller = msgspec.structs.replace(self.caller, allow_hosts=allow)
        return await ask(caller, self.tool, {"url": url, **args})


def browsing(folder: Path, deed: Deed, limits: Limits | None = None, **given: Any) -> Any:
    """Do something with a browser, in an event loop of its own. given: what Web and Caller take."""
    folder.mkdir(exist_ok=True)
    web = Web(**{name: given.pop(name) for name in ("resolve", "tls") if name in given})
    return using(folder, lambda caller: deed(Browser(caller, limits or Limits(), web)), **given)


def shown(
    folder: Path,
    answer: Answer | Talk,
    path: str = "/",
    *,
    raw: bool = False,
    limits: Limits | None = None,
    **args: Any,
) -> str:
    """What the tool shows of an allowed server's path."""

    async def deed(browser: Browser) -> str:
        open_ = wire if raw else site
        async with open_(answer) as server:  # type: ignore[arg-type]
            return await browser.get(server.url + path, server.host, **args)

    text = browsing(folder, deed, limits)
    assert isinstance(text, str)
    return text


def headers_of(text: str) -> list[str]:
    """The header lines of a result."""
    head = text.partition("\n\nBody")[0].split("\n")
    start = next(number for number, line in enumerate(head) if line.startswith("Headers"))
    return head[start + 1 :]


def body_of(text: str) -> str:
    """What stands below the line that tells of the body."""
    return text.partition("\n\nBody")[2].partition("\n")[2]


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's TLS for 127.0.0.1, and the TLS of a client that believes it."""
    key, chain = folder / "key.pem", folder / "chain.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    names = ["-subj", "/CN=loopback", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(chain)]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain, key)
    return server, ssl.create_default_context(cafile=str(chain))
