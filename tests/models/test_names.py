"""Names: who serves a model is in its name, and keys are in the environment only."""

import pytest

from leadhand.errors import UnknownModel, UsageError
from leadhand.models.anthropic import AnthropicModel
from leadhand.models.names import split
from leadhand.models.openai import OpenAiChatModel
from leadhand.models.openai_responses import OpenAiModel
from leadhand.wiring import make_models

KEYS = {"ANTHROPIC_API_KEY": "a", "OPENAI_API_KEY": "o"}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("anthropic:claude-haiku-4-5", ("anthropic", "claude-haiku-4-5")),
        ("openai:gpt-5", ("openai", "gpt-5")),
        ("openai-chat:llama3:8b", ("openai-chat", "llama3:8b")),
        ("openai-chat:claude-in-disguise", ("openai-chat", "claude-in-disguise")),
        ("claude-opus-5-5", ("anthropic", "claude-opus-5-5")),
        ("gpt-5.6-terra", ("openai", "gpt-5.6-terra")),
        ("o3-mini", ("openai", "o3-mini")),
        ("chatgpt-4o-latest", ("openai", "chatgpt-4o-latest")),
    ],
)
def test_a_name_says_who_serves_the_model(name: str, parts: tuple[str, str]) -> None:
    assert split(name) == parts


@pytest.mark.parametrize("name", ["llama3", "gpt-oss-20b", "opus", "google:gemini", "openai:", ""])
def test_a_name_that_anybody_may_serve_is_refused_with_what_to_write(name: str) -> None:
    with pytest.raises(UnknownModel, match="who serves it") as caught:
        split(name)
    assert "openai-chat:NAME" in caught.value.next_step


def test_models_of_one_provider_share_their_client() -> None:
    models = make_models(KEYS)
    assert isinstance(models("claude-haiku-4-5"), AnthropicModel)
    assert models("anthropic:claude-opus-5-5") is models("claude-haiku-4-5")
    assert isinstance(models("gpt-5"), OpenAiModel)
    assert isinstance(models("openai-chat:gpt-5"), OpenAiChatModel)


@pytest.mark.parametrize(
    ("name", "variable"),
    [("claude-haiku-4-5", "ANTHROPIC_API_KEY"), ("openai-chat:x", "OPENAI_API_KEY")],
)
def test_a_model_without_its_key_is_refused_before_it_is_asked(name: str, variable: str) -> None:
    with pytest.raises(UnknownModel, match=variable) as caught:
        make_models({variable: " "})(name)
    assert name in caught.value.message


def test_a_token_opens_anthropic_too() -> None:
    models = make_models({"ANTHROPIC_AUTH_TOKEN": "t"})
    assert isinstance(models("claude-haiku-4-5"), AnthropicModel)


def test_a_server_of_ones_own_needs_no_key() -> None:
    url = "http://127.0.0.1:11434/v1"
    for models in (make_models({"OPENAI_BASE_URL": url}), make_models({}, {"openai-chat": url})):
        assert isinstance(models("openai-chat:llama3"), OpenAiChatModel)
    with pytest.raises(UnknownModel):
        make_models({}, {"openai-chat": url})("openai:gpt-5")


def test_a_base_url_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="base URL"):
        make_models({"OPENAI_BASE_URL": "nowhere"})("gpt-5")
