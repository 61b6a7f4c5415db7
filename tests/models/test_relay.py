"""Relay: what is passed on goes as it is, and an answer in one piece is read like a stream."""

import asyncio
from typing import Any

import pytest

from leadhand.domain.money import Usage
from leadhand.errors import ModelError
from leadhand.model import Relay, Relayed, ToolUse, text_of
from leadhand.model_wiring import make_models
from leadhand.models import wire
from leadhand.testing.model_server import model_server
from leadhand.testing.step import Step
from tests.gateway.door_kit import CHAT, GPT, HAIKU, asking
from tests.gateway.kit import environ


class Taken:
    """An outlet that keeps what it is given, and in which order."""

    def __init__(self) -> None:
        self.parts: list[tuple[bytes, bool]] = []
        self.said: list[tuple[int, bytes]] = []
        self.told: list[str] = []

    def begin(self, headers: dict[str, str]) -> None:
        assert "Content-Type" in headers

    def take(self, data: bytes, *, acts: bool) -> None:
        self.parts.append((data, acts))

    def words(self, text: str) -> None:
        self.told.append(text)

    def declined(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.said.append((status, body))


def relay(model: str, body: dict[str, Any]) -> Relay:
    return Relay(model, wire.encode(body), {"X-App": "cli"}, body["stream"], 500, "root", "root:1")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", [HAIKU, GPT, CHAT])
def test_an_answer_means_the_same_whole_and_streamed(model: str, stream: bool) -> None:
    step = Step(
        text="Here. " * 50,
        thinking="Hm.",
        calls=(("Read", {"path": "a"}), ("Read", {"path": "b"})),
        usage=Usage(300, 70, 20),
        chunk_delay_secs=0.001,
    )

    async def main() -> None:
        outlet = Taken()
        async with model_server(lambda request: step) as server:
            asked = make_models(environ(server))(model)
            assert isinstance(asked, Relayed)
            body = asking(model, stream=stream)
            answer = await asked.relay(relay(model, body), outlet)
            assert server.seen[0].headers["X-App"] == "cli"
        uses = [block for block in answer.blocks if isinstance(block, ToolUse)]
        assert text_of(answer.blocks) == step.text.strip()
        if stream:
            assert "".join(outlet.told) == step.text
        assert [use.args for use in uses] == [{"path": "a"}, {"path": "b"}]
        assert (answer.stop_reason, answer.usage.context) == ("tool_use", 390)
        acts = [acts for _, acts in outlet.parts]
        # Once something could be acted on, that holds for all that follows.
        assert acts == sorted(acts)
        assert acts[-1]

    asyncio.run(main())


@pytest.mark.parametrize("model", [HAIKU, GPT, CHAT])
def test_a_refusal_is_told_with_its_words_and_means_the_usual_error(model: str) -> None:
    async def main() -> None:
        outlet = Taken()
        async with model_server(lambda request: Step(status=429, text="slowly")) as server:
            asked = make_models(environ(server))(model)
            assert isinstance(asked, Relayed)
            with pytest.raises(ModelError) as caught:
                await asked.relay(relay(model, asking(model)), outlet)
        assert (caught.value.kind, caught.value.billed) == ("rate_limited", False)
        ((status, body),) = outlet.said
        assert (status, b"slowly" in body, outlet.parts) == (429, True, [])

    asyncio.run(main())


def test_a_key_that_a_provider_repeats_does_not_get_out() -> None:
    async def main() -> None:
        outlet, told = Taken(), Step(status=401, text="what is sk-none?")
        async with model_server(lambda request: told) as server:
            asked = make_models(environ(server))(HAIKU)
            assert isinstance(asked, Relayed)
            with pytest.raises(ModelError):
                await asked.relay(relay(HAIKU, asking()), outlet)
        assert b"sk-none" not in outlet.said[0][1]
        assert b"[key]" in outlet.said[0][1]

    asyncio.run(main())
