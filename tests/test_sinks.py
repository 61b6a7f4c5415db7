"""Sinks: https to the public, and what the operator's environment names; no URL in what is said."""

from ipaddress import ip_address

import pytest

from leadhand.domain.manifest import Notification
from leadhand.sinks import ALLOW_HOSTS, PARENT, PARENT_URL, destination, permits, usable

HOOK = Notification("webhook", "${LEADHAND_HOOK}")
WORD = "s3cret-w0rd"


def why(url: str, allow: str = "", sink: Notification = HOOK) -> str:
    """Why a URL cannot be told."""
    with pytest.raises(ValueError, match=r".") as caught:
        destination(sink, {"LEADHAND_HOOK": url, PARENT: url, ALLOW_HOSTS: allow})
    assert WORD not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://example.com", "https://example.com:443/"),
        ("https://Example.COM./a?b=c#d", "https://example.com:443/a?b=c"),
        ("https://example.com:8443/ä", "https://example.com:8443/%C3%A4"),
        ("https://1.1.1.1/x", "https://1.1.1.1:443/x"),
        ("https://[2606:4700::1]/x", "https://[2606:4700::1]:443/x"),
    ],
)
def test_the_public_is_told_by_https(url: str, wanted: str) -> None:
    assert destination(HOOK, {"LEADHAND_HOOK": url}).url == wanted


@pytest.mark.parametrize(
    "url",
    [
        f"http://example.com/{WORD}",
        f"ftp://example.com/{WORD}",
        f"https:///{WORD}",
        f"https://example.com:0/{WORD}",
        f"https://example.com:99999/{WORD}",
        f"https://{WORD}@example.com/",
        f"https://example.com/ {WORD}",
        f"https://example.com\\@127.0.0.1/{WORD}",
        f"https://127.0.0.1/{WORD}",
        f"https://2130706433/{WORD}",
        f"https://[::ffff:127.0.0.1]/{WORD}",
        f"https://169.254.169.254/{WORD}",
        f"https://localhost/{WORD}",
        f"https://[::1/{WORD}",
        WORD,
        f"https://example.com/{WORD * 2_000}",
    ],
)
def test_nothing_else_is_and_no_word_of_it_is_said(url: str) -> None:
    assert why(url)


@pytest.mark.parametrize(
    ("url", "allow"),
    [
        ("http://127.0.0.1:8080/x", "127.0.0.1:8080"),
        ("http://localhost:8080/x", "localhost"),
        ("http://10.1.2.3/x", "10.0.0.0/8"),
        ("http://hooks.internal.example.com/x", "a.example.org, *.internal.example.com"),
        ("https://[::1]:9/x", "[::1]:9"),
    ],
)
def test_what_the_environment_names_is_told_also_without_https(url: str, allow: str) -> None:
    assert destination(HOOK, {"LEADHAND_HOOK": url, ALLOW_HOSTS: allow}).url
    assert why(url)


def test_another_port_is_not_named() -> None:
    assert why("http://127.0.0.1:8081/x", "127.0.0.1:8080").startswith("it leads to a loopback")
    assert why("http://localhost:8081/x", "localhost:8080")


def test_a_name_that_leads_to_a_private_address_is_found_out_when_it_is_told() -> None:
    inside, outside = ip_address("10.0.0.1"), ip_address("1.1.1.1")
    to = destination(HOOK, {"LEADHAND_HOOK": "https://example.com/"})
    assert usable(to, [inside])[0] == []
    assert "a private address" in usable(to, [inside])[1]
    assert usable(to, [inside, outside])[0] == [outside]
    allowing = {"LEADHAND_HOOK": "http://example.com/", ALLOW_HOSTS: "10.0.0.0/8"}
    named = destination(HOOK, allowing)
    # Without https, only what is named is told, wherever a name leads.
    assert usable(named, [inside, outside])[0] == [inside]


def test_the_parents_own_address_may_be_on_loopback_but_no_other_sinks() -> None:
    parent = Notification("webhook", PARENT_URL)
    assert destination(parent, {PARENT: "http://127.0.0.1:9/x"}).port == 9
    assert destination(parent, {PARENT: "http://[::1]:9/x"}).host == "::1"
    assert destination(parent, {PARENT: "http://localhost:9/x"}).host == "localhost"
    to = destination(parent, {PARENT: "http://localhost:9/x"})
    assert usable(to, [ip_address("127.0.0.1")])[0]
    both = Notification("webhook", f"{PARENT_URL}/more")
    assert why("http://127.0.0.1:9/x", sink=both)


def test_what_cannot_be_read_or_is_not_set_is_named() -> None:
    with pytest.raises(ValueError, match="LEADHAND_NOTIFY_ALLOW_HOSTS cannot be read: write HOST"):
        permits({ALLOW_HOSTS: "10.0.0.1/8"})
    with pytest.raises(ValueError, match=r"^LEADHAND_HOOK is not set$"):
        destination(HOOK, {})
