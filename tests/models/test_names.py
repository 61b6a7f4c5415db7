"""Names: who serves a model is in its name, and keys are in the environment only."""

import pytest

from leadhand.domain.manifest import Provider
from leadhand.domain.money import Price
from leadhand.errors import UsageError
from leadhand.model import wire_name
from leadhand.model_wiring import make_models
from leadhand.models.anthropic import AnthropicModel
from leadhand.models.names import split
from leadhand.models.openai import OpenAiChatModel
from leadhand.models.openai_responses import OpenAiModel
from leadhand.refusals import UnknownModel

KEYS = {"ANTHROPIC_API_KEY": "a", "OPENAI_API_KEY": "o"}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("anthropic:claude-haiku-4-5", ("anthropic", "claude-haiku-4-5")),
        ("openai:gpt-5", ("openai", "gpt-5")),
        ("openai-chat:llama3:8b", ("openai-chat", "llama3:8b")),
        ("openai-chat:claude-in-disguise", ("openai-chat", "claude-in-disguise")),
        ("ollama:llama3.1:8b", ("ollama", "llama3.1:8b")),
        ("google:gemini-2.5-pro", ("google", "gemini-2.5-pro")),
        ("claude-opus-5-5", ("anthropic", "claude-opus-5-5")),
        ("gpt-5.6-terra", ("openai", "gpt-5.6-terra")),
        ("o3-mini", ("openai", "o3-mini")),
        ("chatgpt-4o-latest", ("openai", "chatgpt-4o-latest")),
    ],
)
def test_a_name_says_who_serves_the_model(name: str, parts: tuple[str, str]) -> None:
    assert split(name) == parts
    assert wire_name(name) == parts[1]


@pytest.mark.parametrize(
    "name", ["llama3", "gpt-oss-20b", "opus", ":gemini", "openai:", "claude-x:", ":", ""]
)
def test_a_name_that_anybody_may_serve_is_refused_with_what_to_write(name: str) -> None:
    with pytest.raises(UnknownModel, match="who serves it") as caught:
        split(name)
    for way in ("openai-chat:NAME", "SERVER:NAME", "pip install 'leadhand[providers]'"):
        assert way in caught.value.next_step


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
    own = {"openai-chat": Provider("openai-chat", url)}
    for models in (make_models({"OPENAI_BASE_URL": url}), make_models({}, own)):
        assert isinstance(models("openai-chat:llama3"), OpenAiChatModel)
    with pytest.raises(UnknownModel):
        make_models({}, own)("openai:gpt-5")


def test_a_base_url_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="base URL"):
        make_models({"OPENAI_BASE_URL": "nowhere"})("gpt-5")


URL = "http://127.0.0.1:4000"


@pytest.mark.parametrize(
    ("provider", "kind"),
    [
        (Provider("anthropic", URL), AnthropicModel),
        (Provider("openai", URL), OpenAiModel),
        (Provider("openai-chat", URL), OpenAiChatModel),
    ],
)
def test_a_server_of_the_manifest_speaks_the_dialect_that_it_is_said_to(
    provider: Provider, kind: type
) -> None:
    models = make_models({}, {"ours": provider})
    assert isinstance(models("ours:a:b"), kind)
    assert models("ours:a:b") is models("ours:c")
    assert models("ours:c").price("ours:c") == Price()


def opened_by(model: object) -> str:
    """What opens the server of a model."""
    assert isinstance(model, AnthropicModel | OpenAiChatModel)
    headers = model._server.headers  # noqa: SLF001 (what goes over the wire is the question)
    return headers.get("x-api-key") or headers.get("Authorization", "")


def test_a_key_is_in_the_variable_that_the_manifest_names_and_in_no_other() -> None:
    keys = {"ANTHROPIC_API_KEY": "usual", "ANTHROPIC_AUTH_TOKEN": "token", "OUR_KEY": "ours"}
    own = Provider("anthropic", "https://models.example.com", "OUR_KEY")
    for name in ("anthropic", "ours"):
        assert opened_by(make_models(keys, {name: own})(f"{name}:m")) == "ours"
    assert opened_by(make_models(keys)("anthropic:m")) == "usual"
    with pytest.raises(UnknownModel, match="OUR_KEY is not set"):
        make_models(KEYS, {"anthropic": own})("anthropic:m")


def test_a_server_of_the_manifest_never_gets_a_vendors_key_or_place() -> None:
    keys = KEYS | {"OPENAI_BASE_URL": "https://models.example.com", "ANTHROPIC_AUTH_TOKEN": "t"}
    for dialect in ("anthropic", "openai-chat"):
        model = make_models(keys, {"ours": Provider(dialect, URL)})("ours:m")
        assert opened_by(model) == ""
        assert model.price("ours:m") == Price()


def test_the_manifests_base_url_comes_before_the_environments() -> None:
    environ = KEYS | {"ANTHROPIC_BASE_URL": "https://models.example.com"}
    assert make_models(environ)("claude-x").price("claude-x") is None
    models = make_models(environ, {"anthropic": Provider("anthropic", URL)})
    assert models("claude-x").price("claude-x") == Price()
