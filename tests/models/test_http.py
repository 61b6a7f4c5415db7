"""Http: connections, addresses and keys, apart from any dialect."""

import asyncio
import gc
import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest

from leadhand.errors import ModelError, UsageError
from leadhand.models import anthropic, openai
from leadhand.models.http import Http, Limits, Server
from leadhand.testing.model_server import model_server
from tests.models.kit import ANTHROPIC, KEY, asked


def test_connections_are_closed_with_their_event_loop() -> None:
    """Warnings are errors: a session that is left open fails this test."""
    http = Http()

    async def main() -> None:
        async with model_server(lambda request: "Yes.") as server:
            model = ANTHROPIC.make(http, server.url)
            await model.answer(asked(ANTHROPIC), lambda text: None)

    for _ in range(2):
        asyncio.run(main())
    gc.collect()


def test_connections_stay_open_although_nobody_holds_them() -> None:
    async def main() -> None:
        async with model_server(lambda request: "Yes.") as server:
            await ANTHROPIC.make(Http(), server.url).answer(asked(ANTHROPIC), lambda text: None)
            gc.collect()
            await asyncio.sleep(0)

    asyncio.run(main())
    gc.collect()


def test_closing_twice_or_unused_is_no_error() -> None:
    async def main() -> None:
        http = Http()
        await http.close()
        async with model_server(lambda request: "Yes.") as server:
            model = ANTHROPIC.make(http, server.url)
            for _ in range(2):
                await model.answer(asked(ANTHROPIC), lambda text: None)
                await http.close()
                await http.close()

    asyncio.run(main())


def test_a_connection_that_does_not_come_about_was_not_billed() -> None:
    async def main(url: str) -> ModelError:
        model = ANTHROPIC.make(Http(Limits(connect_secs=0.3)), url)
        with pytest.raises(ModelError) as caught:
            await model.answer(asked(ANTHROPIC), lambda text: None)
        return caught.value

    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        # Nobody accepts, so the kernel lets the next ones wait once its queue is full.
        server.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        error = asyncio.run(main(f"http://127.0.0.1:{server.getsockname()[1]}"))
    assert (error.kind, error.retryable, error.billed) == ("timeout", True, False)
    assert "no connection" in error.message


@pytest.mark.parametrize(
    "url", ["", "api.test", "ftp://api.test", "http://", "http://[", "http://h:x", "http://h/?a=1"]
)
def test_a_base_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="base URL"):
        Server(url, {})


def test_a_server_shows_no_keys() -> None:
    server = Server(f"http://me:{KEY}@api.test/v1/", {"x-api-key": KEY}, (KEY,))
    assert repr(server) == "Server(http://api.test/v1)"
    assert KEY not in server.clean(f"http://me:{KEY}@api.test {KEY}")
    with pytest.raises(UsageError) as caught:
        Server(f"ftp://me:{KEY}@api.test", {})
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:80", True),
        ("http://127.8.9.1", True),
        ("http://localhost:11434/v1", True),
        ("http://[::1]:5", True),
        ("https://api.openai.com", False),
        ("http://127.0.0.1.evil.test", False),
        ("http://localhost.test", False),
    ],
)
def test_only_this_machine_is_local(url: str, local: bool) -> None:
    assert Server(url, {}).local is local


def test_base_urls_may_name_the_version_or_not() -> None:
    for url in ("http://h.test", "http://h.test/", "http://h.test/v1", "http://h.test/v1/"):
        assert anthropic.server(url, "", "").url == "http://h.test"
    assert openai.server("http://h.test/v1/", "").url == "http://h.test/v1"


def test_a_key_opens_before_a_token() -> None:
    assert anthropic.server("http://h.test", "key", "token").headers["x-api-key"] == "key"
    assert "Authorization" not in anthropic.server("http://h.test", "key", "token").headers
    bearer = anthropic.server("http://h.test", "", "token").headers
    assert bearer["Authorization"] == "Bearer token"
    assert openai.server("http://h.test", "").headers == {}


def test_a_proxy_of_the_environment_is_used_but_not_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.test:3128")
    monkeypatch.setenv("no_proxy", "inside.test")
    assert Server("https://api.test", {}).proxy == "http://proxy.test:3128"
    assert Server("https://inside.test", {}).proxy is None
    assert Server("https://127.0.0.1", {}).proxy is None


@pytest.mark.slow
def test_the_library_is_loaded_only_for_a_model_that_needs_it() -> None:
    code = """
import sys
import leadhand, leadhand.wiring, leadhand.model_wiring, leadhand.testing
assert "aiohttp" not in sys.modules
models = leadhand.model_wiring.make_models({"ANTHROPIC_API_KEY": "k"})
models("anthropic:claude-haiku-4-5")
assert "aiohttp" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_lane_is_one_provider_one_account_and_one_model() -> None:
    def lane(url: str, key: str, model: str) -> str:
        return openai.OpenAiChatModel(Http(), openai.server(url, key)).lane(model)

    url, model = "https://api.test/v1", "openai-chat:small"
    mine = lane(url, KEY, model)
    assert mine == lane(f"{url}/", KEY, model)
    others = [
        lane("https://api.other.test/v1", KEY, model),
        lane(url, "sk-other", model),
        lane(url, "", model),
        lane(url, KEY, "openai-chat:big"),
    ]
    assert len({mine, *others}) == 5
    assert lane(url, "", model) == "api.test  small"


def test_a_lane_shows_no_key() -> None:
    url = f"http://me:{KEY}@api.test:8080/v1"
    shown = openai.OpenAiChatModel(Http(), openai.server(url, KEY)).lane("openai-chat:small")
    assert shown.startswith("api.test:8080 ")
    assert KEY not in shown
