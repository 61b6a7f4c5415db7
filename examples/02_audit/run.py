"""Run: plays the audit on this machine, without a key: its sites, its model and the dispatch.

The model server speaks Anthropic's Messages API, so leadhand works as it does with a key; only
ANTHROPIC_BASE_URL leads elsewhere. Set it so to try any manifest of yours without paying.
"""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from model import reply

from leadhand.testing.model_server import model_server

HERE = Path(__file__).resolve().parent
URLS = HERE.parents[1] / "build" / "audit" / "urls.txt"
SITES = {
    "/strict": {
        "Content-Security-Policy": "default-src 'self'",
        "X-Frame-Options": "DENY",
        "Strict-Transport-Security": "max-age=31536000",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    },
    "/half": {"X-Frame-Options": "SAMEORIGIN", "Referrer-Policy": "same-origin"},
    "/bare": {},
}


@asynccontextmanager
async def sites() -> AsyncIterator[list[str]]:
    """The URLs to audit: one of each site, one that redirects, one that nobody answers."""

    async def page(request: web.Request) -> web.Response:
        if request.path == "/moved":
            raise web.HTTPMovedPermanently("/half")
        return web.Response(text="A page.\n", headers=SITES[request.path])

    app = web.Application()
    app.router.add_get("/{name:strict|half|bare|moved}", page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        with socket.socket() as closed:
            # Bound, but not listening: whoever connects is refused.
            closed.bind(("127.0.0.1", 0))
            dead = f"http://127.0.0.1:{closed.getsockname()[1]}/"
            yield [f"{base}{path}" for path in (*SITES, "/moved")] + [dead]
    finally:
        await runner.cleanup()


async def main() -> int:
    """Dispatch the manifest; its exit code."""
    async with sites() as urls, model_server(reply) as server:
        URLS.parent.mkdir(parents=True, exist_ok=True)
        URLS.write_text("".join(f"{url}\n" for url in urls))
        environ = {"ANTHROPIC_BASE_URL": server.url, "ANTHROPIC_API_KEY": "no-key-is-needed-here"}
        leadhand = (sys.executable, "-m", "leadhand", "dispatch", str(HERE / "manifest.toml"))
        try:
            dispatch = await asyncio.create_subprocess_exec(*leadhand, env=os.environ | environ)
            return await dispatch.wait()
        finally:
            URLS.unlink()


if __name__ == "__main__":
    # One URL is dead, so the run is partial, which exit code 1 says. Here that is as it should be.
    sys.exit(asyncio.run(main()) != 1)
