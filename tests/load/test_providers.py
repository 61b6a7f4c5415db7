"""Providers: what a manifest says of servers of models, and that it holds no key."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadhand.domain import hosts
from leadhand.domain.manifest import Provider
from leadhand.errors import ManifestError
from leadhand.load import Loaded, parse
from leadhand.stores.codec import secrets_of

RULES = "[run]\nmax_workers = 4\nbudget_usd = 1\n"
LEAD = '[lead]\nmodel = "m"\nprompt = "Do it."\n'


def loaded(table: str) -> Loaded:
    """What a manifest with this table of providers says."""
    return parse(f"{RULES}{LEAD}{table}", "m.toml", Path("/"))


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://models.example.com/v1", True),
        ("HTTP://10.0.0.7:8000", True),
        ("https://models.example.com/v1", False),
        ("http://localhost:8000", False),
        ("http://LOCALHOST", False),
    ],
)
def test_a_key_that_travels_unencrypted_is_a_warning(url: str, warned: bool) -> None:
    table = f'[providers.x]\nbase_url = "{url}"\n'
    assert loaded(table).warnings == []
    found = loaded(table + 'key_env = "X_KEY"')
    assert (
        found.warnings
        == ["m.toml:8: providers.x.base_url: is not https: who listens on the way learns the key"]
        * warned
    )
    assert found.manifest.providers == {"x": Provider("openai-chat", url, "X_KEY")}


@given(st.text("htps:/@\\\\[]127.0locahst.#?% \u00df", max_size=40), st.booleans())
def test_a_base_url_that_is_accepted_means_the_host_that_it_shows(text: str, bare: bool) -> None:
    url = text if bare else f"http://{text}"
    try:
        found = loaded(f"[providers.x]\nbase_url = '{url}'\n").manifest
    except ManifestError:
        return
    parts = urlsplit(found.providers["x"].base_url)
    assert parts.hostname == hosts.url_host(url)
    assert (parts.username, parts.password, parts.query, parts.fragment) == (None, None, "", "")


def test_a_key_that_strays_into_a_manifest_is_not_repeated() -> None:
    for table in (
        '[providers.openai]\nkey_env = "sk-proj-SECRET"',
        '[providers.openai]\nkey_env = "gsk_SECRETsecret"',
        '[providers.openai]\nbase_url = "https://SECRET@models.example.com/v1"',
        '[providers.openai]\nbase_url = "https://models.example.com/v1?key=SECRET"',
    ):
        with pytest.raises(ManifestError) as caught:
            loaded(table)
        assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("name", ["A_KEY", "TOKEN", "_SECRET", "MY_PASSWORD", "CREDENTIAL_1"])
def test_the_value_of_every_variable_that_may_hold_a_key_is_hidden(name: str) -> None:
    found = loaded(f'[providers.openai]\nkey_env = "{name}"').manifest
    assert found.providers["openai"].key_env == name
    assert secrets_of({name: "value"}) == {name: "value"}
