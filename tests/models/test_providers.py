"""Providers: what models through pydantic-ai's layer keep beside the promises of all models."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from leadhand.domain.ids import ROOT
from leadhand.domain.manifest import HouseRules, Lead, Manifest, Provider, Settings
from leadhand.domain.money import NANO, Price
from leadhand.model import Model, Prose, Raw, Request
from leadhand.model_wiring import make_models
from leadhand.models.http import Http
from leadhand.models.providers import ProviderModel
from leadhand.models.scripted import Reply, Script
from leadhand.refusals import UnknownModel
from leadhand.stores.sqlite import SqliteStore
from leadhand.testing.model_server import model_server
from leadhand.testing.script import turn
from leadhand.testing.step import Step
from leadhand.wiring import start_run
from tests.models.kit import (
    DIALECTS,
    KEY,
    LAYERED,
    LAYERED_CHAT,
    LAYERED_RESPONSES,
    QUICK,
    Dialect,
    World,
    answer,
    asked,
    fault,
    playing,
    results,
    said,
    user,
    world,
)

pytestmark = pytest.mark.slow

CALLS = (("Read", {"path": "a"}), ("Bash", {"command": "ls"}))
layered = pytest.mark.parametrize("dialect", LAYERED.values(), ids=LAYERED.keys())


def thinker(request: Request) -> Reply:
    """A script that thinks before it calls tools."""
    return (
        Step(thinking="First the file.", calls=CALLS) if turn(request) == 0 else Reply(text="Ok.")
    )


def test_thinking_goes_back_to_its_provider_and_to_no_other() -> None:
    async def deed(here: World) -> None:
        first = await here.ask(asked(LAYERED_CHAT))
        assert any(isinstance(block, Raw) for block in first.blocks)
        told = [user("Do it."), said(first), results(first)]
        await here.ask(asked(LAYERED_CHAT, *told))
        assert "First the file." in str(here.server.bodies[-1])
        for other in (*DIALECTS.values(), LAYERED_RESPONSES):
            async with world(other, thinker) as there:
                await there.ask(asked(other, *told))
                assert "First the file." not in str(there.server.bodies[-1])

    playing(LAYERED_CHAT, thinker, deed)


def test_a_provider_that_refuses_its_thinking_is_asked_again_without() -> None:
    def script(request: Request) -> Reply:
        blocks = [block for message in request.messages for block in message.blocks]
        if any(isinstance(block, Raw) for block in blocks):
            return Step(status=400, text="The encrypted content could not be verified.")
        return thinker(request)

    async def deed(here: World) -> None:
        first = await here.ask(asked(LAYERED_RESPONSES))
        told = [user("Do it."), said(first), results(first)]
        second = await here.ask(asked(LAYERED_RESPONSES, *told))
        assert Prose("Ok.") in second.blocks
        assert "reasoning" not in [each.get("type") for each in here.server.bodies[-1]["input"]]
        assert [seen.ended for seen in here.server.seen] == ["answered", "refused", "answered"]

    playing(LAYERED_RESPONSES, script, deed)


def test_a_refusal_about_something_else_is_not_asked_again() -> None:
    def script(request: Request) -> Reply:
        return thinker(request) if turn(request) == 0 else Step(status=400, text="no such model")

    async def deed(here: World) -> None:
        first = await here.ask(asked(LAYERED_CHAT))
        told = [user("Do it."), said(first), results(first)]
        assert (await here.fault(asked(LAYERED_CHAT, *told))).kind == "bad_request"
        assert len(here.server.seen) == 2

    playing(LAYERED_CHAT, script, deed)


def test_nothing_is_stored_at_the_provider() -> None:
    async def deed(here: World) -> Any:
        await here.ask(asked(LAYERED_RESPONSES))
        return here.server.bodies[-1]["store"]

    assert playing(LAYERED_RESPONSES, "Yes.", deed) is False


@layered
def test_a_refused_request_is_sent_once(dialect: Dialect) -> None:
    """The libraries below would each try again on their own."""

    async def deed(here: World) -> int:
        await here.fault(asked(dialect))
        return len(here.server.seen)

    assert playing(dialect, Step(status=500), deed) == 1


@layered
def test_a_local_server_hears_who_asks_a_layered_model(dialect: Dialect) -> None:
    async def deed(here: World) -> str:
        await here.ask(asked(dialect))
        [seen] = here.server.seen
        return seen.headers["x-leadhand-call"]

    assert playing(dialect, "Yes.", deed) == "root/W1:1.1@7"


@layered
@pytest.mark.parametrize("events", [0, 1, 3, 6])
def test_a_stream_that_is_cut_anywhere_may_have_been_billed(dialect: Dialect, events: int) -> None:
    error = fault(dialect, Step(text="word " * 200, drop_after=events))
    assert error.kind == ("stream_cut" if events else "network")
    assert (error.retryable, error.billed) == (True, True)


@layered
def test_a_redirect_is_not_followed_by_a_library(dialect: Dialect) -> None:
    error = fault(dialect, Step(status=307, headers={"Location": "http://elsewhere.test/v1"}))
    assert (error.kind, error.retryable, error.billed) == ("bad_request", False, False)


@layered
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("figure", [-5, 10**30, 0])
def test_figures_that_cannot_be_count_as_the_most_that_can_be(
    dialect: Dialect, figure: Any
) -> None:
    name = "completion_tokens" if dialect is LAYERED_CHAT else "output_tokens"
    found = answer(dialect, Step(text="Yes.", figures={name: figure}), max_output_tokens=777)
    assert found.usage.output == 777
    assert found.usage.input > 300


def test_effort_reaches_a_provider_that_knows_it() -> None:
    async def deed(here: World) -> Any:
        await here.ask(asked(LAYERED_RESPONSES, effort="high"))
        return here.server.bodies[-1]["reasoning"]["effort"]

    assert playing(LAYERED_RESPONSES, "Yes.", deed) == "high"


@layered
def test_limits_are_shared_by_provider_and_model_and_nothing_is_counted_ahead(
    dialect: Dialect,
) -> None:
    async def deed(here: World) -> None:
        assert isinstance(here.model, ProviderModel)
        assert here.model.lane(dialect.name) == dialect.name
        assert await here.model.count(asked(dialect)) is None

    playing(dialect, "Yes.", deed)


def test_connections_of_an_event_loop_that_is_over_do_not_hinder_the_next() -> None:
    made: list[Model] = []

    async def once(port: int) -> int:
        async with model_server(lambda request: "Yes.", port=port) as server:
            made.append(made[0] if made else LAYERED_CHAT.make(Http(QUICK), server.url))
            found = await made[-1].answer(asked(LAYERED_CHAT), lambda text: None)
            assert Prose("Yes.") in found.blocks
            return int(server.url.rpartition(":")[2])

    asyncio.run(once(asyncio.run(once(0))))


# How they are made


def test_a_run_succeeds_on_a_provider_set_up_in_the_environment_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "note.txt").write_text("hello\n")
    model = "vllm:somebodys"
    asked_for = Manifest(
        Lead("lead", "Do it.", Settings(model=model, directory=str(tmp_path))),
        HouseRules(budget_nanousd=NANO),
    )
    script: Script = lambda request: (  # noqa: E731
        Reply(calls=(("Read", {"file_path": "note.txt"}),))
        if turn(request) == 0
        else "STATUS: success\nCOMPLETED\n- it\nDEFERRED OR FAILED\n- none\nCOST SUMMARY\n- none"
    )

    async def main() -> None:
        async with model_server(script) as server:
            monkeypatch.setenv("VLLM_BASE_URL", server.openai_url)
            monkeypatch.setenv("VLLM_API_KEY", KEY)
            store = SqliteStore(tmp_path / "runs")
            live = await start_run(store, tmp_path / "runs", asked_for, "")
            try:
                assert live.engine.run.manifest is not None
                assert live.engine.run.manifest.prices == {model: Price()}
                assert await asyncio.wait_for(live.go(), 60)
                assert live.engine.run.status == "succeeded"
                assert live.engine.run.envelopes[ROOT].spent == 0
                assert len(server.seen) == 2
            finally:
                await live.close()
                await store.close()

    asyncio.run(main())
    for path in (tmp_path / "runs").rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("google:gemini-2.5-pro", "GOOGLE_API_KEY"),
        ("groq:llama-3.3-70b", "GROQ_API_KEY"),
        ("mistral:mistral-large-latest", "MISTRAL_API_KEY"),
        ("openrouter:anything/at-all", "OPENROUTER_API_KEY"),
    ],
)
def test_a_provider_without_its_key_is_refused_before_it_is_asked(
    name: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in (variable, "GEMINI_API_KEY"):
        monkeypatch.delenv(each, raising=False)
    with pytest.raises(UnknownModel, match=variable) as caught:
        make_models()(name)
    assert name in caught.value.message


def test_each_provider_of_the_extra_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("GOOGLE", "GROQ", "MISTRAL", "OPENROUTER", "DEEPSEEK", "CO"):
        monkeypatch.setenv(f"{variable}_API_KEY", KEY)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    models = make_models()
    for name in (
        "google:gemini-2.5-pro",
        "groq:llama-3.3-70b",
        "mistral:mistral-large-latest",
        "openrouter:a/b",
        "deepseek:deepseek-chat",
        "cohere:command-a",
        "bedrock:us.amazon.nova-pro-v1:0",
    ):
        model = models(name)
        assert isinstance(model, ProviderModel)
        assert (model.lane(name), model.price(name)) == (name, None)
        assert models(name) is model


def test_a_library_that_is_missing_is_named() -> None:
    with pytest.raises(UnknownModel, match="cannot be used") as caught:
        make_models()("xai:grok-4")
    assert "pip install 'pydantic-ai-slim[xai]'" in caught.value.next_step


@pytest.mark.parametrize(
    "name", ["openrouter:openai/gpt-5:online", "groq:compound-beta", "groq:groq/compound-mini"]
)
def test_a_model_that_runs_tools_for_a_fee_is_refused(name: str) -> None:
    with pytest.raises(UnknownModel, match="cost fees beyond tokens"):
        make_models()(name)


def test_a_provider_that_nobody_knows_is_refused_with_what_to_write() -> None:
    with pytest.raises(UnknownModel, match="which nobody knows") as caught:
        make_models()("googel:gemini")
    for way in ("anthropic:NAME", "[providers.SERVER]", "pip install 'leadhand[providers]'"):
        assert way in caught.value.next_step


def test_a_server_of_the_manifest_comes_before_a_provider_of_the_same_name() -> None:
    here = {"groq": Provider("openai-chat", "http://127.0.0.1:4000/v1")}
    assert not isinstance(make_models({}, here)("groq:llama"), ProviderModel)


def test_the_core_alone_says_how_to_install_the_rest_and_loads_none_of_it() -> None:
    code = """
import sys
sys.modules["pydantic_ai"] = None
import leadhand.cli, leadhand.wiring
from leadhand.refusals import UnknownModel
models = leadhand.model_wiring.make_models({"ANTHROPIC_API_KEY": "k"})
models("anthropic:claude-haiku-4-5")
assert "pydantic" not in sys.modules
try:
    models("google:gemini-2.5-pro")
except UnknownModel as refused:
    print(refused.message, refused.next_step)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True
    )
    assert 'the provider "google", which is not known here' in done.stdout
    assert "pip install 'leadhand[providers]'" in done.stdout
