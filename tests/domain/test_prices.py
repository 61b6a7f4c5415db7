"""Prices: each model has one, and a script runs only where the operator names it."""

import pytest
from msgspec.structs import replace

from leadhand.domain.manifest import Agent, Manifest, Provider, Settings
from leadhand.domain.money import NANO, Price, Usage, cost
from leadhand.domain.prices import TABLE, price_of, spellings, window_of
from leadhand.refusals import UnknownModel
from tests.rules.world import manifest

SCRIPT = "script:/repo/model.py:reply"


def test_a_known_model_has_the_price_of_its_provider() -> None:
    price = price_of(manifest(prices={}), "claude-haiku-4-5")
    assert cost(price, Usage(input=1_000_000)) == 1 * NANO
    assert cost(price, Usage(output=1_000_000)) == 5 * NANO
    assert cost(price, Usage(cache_read=1_000_000)) == NANO // 10
    assert cost(price, Usage(cache_creation=1_000_000)) == NANO * 5 // 4


def test_a_provider_may_stand_before_a_models_name() -> None:
    plain = price_of(manifest(prices={}), "claude-haiku-4-5")
    assert price_of(manifest(prices={}), "anthropic:claude-haiku-4-5") == plain


@pytest.mark.parametrize(
    ("served", "own"),
    [
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("claude-haiku-4-5@20251001", "claude-haiku-4-5"),
        ("anthropic:claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("claude-3-5-haiku-latest", "claude-3-5-haiku"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4-0"),
        ("openai:gpt-5-2025-08-07", "gpt-5"),
        ("openai-chat:gpt-5-mini-20250807", "gpt-5-mini"),
    ],
)
def test_a_vendors_dated_names_have_the_price_of_their_model(served: str, own: str) -> None:
    assert price_of(None, served) == TABLE[own]


@pytest.mark.parametrize(
    "model",
    ["claude-haiku-4-5", "anthropic:claude-haiku-4-5", "anthropic:claude-haiku-4-5-20251001"],
)
def test_a_models_window_is_found_as_its_price_is(model: str) -> None:
    assert window_of(model) == 200_000


@pytest.mark.parametrize("model", ["", "gpt-99", SCRIPT, "openai-chat:llama3", "x" * 1_000])
def test_the_window_of_an_unknown_model_is_not_known(model: str) -> None:
    assert window_of(model) == 0


def test_a_dated_name_may_have_a_price_of_its_own() -> None:
    assert price_of(None, "gpt-4o-2024-05-13") != price_of(None, "gpt-4o")


@pytest.mark.parametrize(
    "model", ["gpt-5-2", "claude-haiku-4-5-2025", "gpt-5-20251301x", "gpt-5-x"]
)
def test_what_only_looks_like_a_date_is_not_passed_over(model: str) -> None:
    assert spellings(model) == (model,)


@pytest.mark.parametrize(
    "model", ["gpt-5", "openai:gpt-5", "gpt-5-2025-08-07", "openai:gpt-5-2025-08-07"]
)
def test_the_manifests_own_price_wins(model: str) -> None:
    own = Price(input=7)
    assert price_of(manifest(prices={"gpt-5": own}), model) == own
    assert price_of(manifest(prices={model: own}), model) == own


def test_the_manifests_price_of_another_date_is_not_taken() -> None:
    own = {"gpt-5-2025-08-07": Price(input=7)}
    assert price_of(manifest(prices=own), "gpt-5-2026-01-01") == TABLE["gpt-5"]


def test_a_price_of_nothing_is_a_price() -> None:
    assert price_of(manifest(prices={"gpt-5": Price()}), "gpt-5") == Price()


def test_a_model_without_a_price_is_refused_with_the_line_that_would_give_one() -> None:
    with pytest.raises(UnknownModel) as caught:
        price_of(manifest(prices={}), "gpt-99")
    assert caught.value.code == "unknown_model"
    assert '"gpt-99"' in caught.value.message
    assert '[prices."gpt-99"]' in caught.value.next_step


@pytest.mark.parametrize(
    ("model", "near"),
    [
        ("claude-haiku-4.6", "claude-haiku-4-5"),
        ("anthropic:claude-haiku-4-6-20260101", "claude-haiku-4-5"),
        ("gpt-5.0", "gpt-5"),
        ("our-modle", "our-model"),
    ],
)
def test_a_refusal_names_models_that_are_near(model: str, near: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        price_of(manifest(prices={"our-model": Price(1)}), model)
    assert near in caught.value.next_step


@pytest.mark.parametrize("model", ["", "x" * 1_000_000, "\x00", "anthropic:", ":", "claude"])
def test_a_refusal_of_any_name_is_short(model: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        price_of(manifest(prices={}), model)
    assert len(caught.value.message + caught.value.next_step) < 500


@pytest.mark.parametrize(
    "asked",
    [
        manifest(model=SCRIPT, prices={}),
        manifest(defaults=Settings(model=SCRIPT), prices={}),
        manifest(agents={"one": Agent(settings=Settings(model=SCRIPT))}, prices={}),
    ],
    ids=["lead", "defaults", "agent"],
)
def test_a_script_that_the_manifest_names_is_free(asked: object) -> None:
    assert price_of(asked, SCRIPT) == Price()  # type: ignore[arg-type]


def test_a_script_may_be_given_a_price() -> None:
    assert price_of(manifest(model=SCRIPT, prices={SCRIPT: Price(3)}), SCRIPT) == Price(3)


@pytest.mark.parametrize(
    "name", [f"script:{model}" for model in list(TABLE)[:9]] + ["script:/tmp/evil.py:f"]
)
def test_a_script_that_the_manifest_does_not_name_is_refused_whatever_it_is_called(
    name: str,
) -> None:
    with pytest.raises(UnknownModel, match="does not name the model"):
        price_of(manifest(model=SCRIPT, prices={}), name)


HERE = {"ollama": Provider("openai-chat", "http://127.0.0.1:11434/v1")}


def served(providers: dict[str, Provider]) -> Manifest:
    """A manifest with these providers, and a price for `ours`."""
    return replace(manifest(prices={"ours": Price(7)}), providers=providers)


@pytest.mark.parametrize("model", ["ollama:llama3.1:8b", "ollama:anything"])
def test_what_only_a_server_of_this_machine_serves_is_free(model: str) -> None:
    assert price_of(served(HERE), model) == Price()


@pytest.mark.parametrize(
    "url", ["https://models.example.com/v1", "http://127.0.0.1.example.com/", ""]
)
def test_what_another_server_serves_is_not_free(url: str) -> None:
    with pytest.raises(UnknownModel):
        price_of(served({"ollama": Provider("openai-chat", url)}), "ollama:llama3.1:8b")


@pytest.mark.parametrize("model", ["llama3.1:8b", "ollama", "other:llama3.1:8b"])
def test_only_the_name_before_the_colon_says_whose_a_model_is(model: str) -> None:
    with pytest.raises(UnknownModel):
        price_of(served(HERE), model)


def test_a_known_model_keeps_its_price_on_this_machine_which_may_pass_it_on() -> None:
    here = {"anthropic": Provider("anthropic", "http://localhost:4000")}
    asked = served(here | HERE)
    for model in ("anthropic:claude-haiku-4-5", "ollama:claude-haiku-4-5"):
        assert price_of(asked, model) == TABLE["claude-haiku-4-5"]
    assert price_of(asked, "ollama:ours") == Price(7)
