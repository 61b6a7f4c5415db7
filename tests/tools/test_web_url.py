"""Web url: what is read from a URL is what goes out, and redirects lead nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from leadhand.refusals import InvalidArguments, ToolFailed
from leadhand.tools.work.web_url import URL_MAX, Target, redirected, target

HERE = target("https://example.com:8443/a/b?c=d")


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("http://example.com", "http://example.com/"),
        ("HTTP://Example.COM:80/A?b=C#d", "http://example.com/A?b=C"),
        ("https://example.com:443?q", "https://example.com/?q"),
        ("https://example.com:80/", "https://example.com:80/"),
        ("  http://example.com/  ", "http://example.com/"),
        ("http://bücher.example/ü?ä=%41", "http://xn--bcher-kva.example/%C3%BC?%C3%A4=%41"),
        ('http://a.example/"<>^`{|}', "http://a.example/%22%3C%3E%5E%60%7B%7C%7D"),
        ("http://[0:0::1]:8080/x", "http://[::1]:8080/x"),
        ("http://a.example/../%2e%2e/x", "http://a.example/../%2e%2e/x"),
        ("http://a.example/;p?x=/?y", "http://a.example/;p?x=/?y"),
    ],
)
def test_a_url_goes_out_in_one_spelling(url: str, sent: str) -> None:
    assert target(url).url == sent


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("example.com", "http:// or https://"),
        ("ftp://example.com/", "http:// or https://"),
        ("file:///etc/passwd", "http:// or https://"),
        ("//example.com/", "http:// or https://"),
        ("javascript:alert(1)", "http:// or https://"),
        ("http://user@example.com/", "user name"),
        ("http://user:password@example.com/", "user name"),
        ("http://example.com@127.0.0.1/", "user name"),
        ("http://@example.com/", "user name"),
        ("http:///etc", "no host"),
        ("http://:80/", "no host"),
        ("http://example.com:0/", "port 0"),
        ("http://example.com:65536/", "no URL"),
        ("http://example.com:80x/", "no URL"),
        ("http://[::1/", "no URL"),
        ("http://[127.0.0.1]/", "not usable|no URL"),
        ("http://[::1]evil.example/", "not usable|no URL"),
        ("http://2130706433/", "four decimal numbers"),
        ("http://0x7f.0.0.1/", "four decimal numbers"),
        ("http://[fe80::1%25eth0]/", "not usable|no URL"),
        ("http://a b.example/", "a space"),
        ("http://a.example/x y", "a space"),
        ("http://a.example/\r\nHost: b", "a space"),
        ("http://a.example\\@b.example/", "backslash"),
        ("http://127.0.0.1%2f.example/", "not usable"),
        ("http://a.example/\ud800", "half a character"),
        ("http://a.example/" + "x" * URL_MAX, "is the most"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(url: str, why: str) -> None:
    with pytest.raises(InvalidArguments, match=why) as caught:
        target(url)
    assert len(caught.value.message) < 700


@given(st.text(max_size=60))
def test_a_library_reads_what_goes_out_as_it_was_read_here(rest: str) -> None:
    for url in (f"http://{rest}", f"http://a.example{rest}", f"http://a.example/{rest}"):
        try:
            found = target(url)
        except InvalidArguments:
            continue
        sent = URL(found.url, encoded=True)
        assert (sent.scheme, sent.raw_host, sent.port) == (found.scheme, found.host, found.port)
        assert sent.user is None
        assert sent.raw_path_qs == found.path
        assert found.url.isascii()
        assert target(found.url) == found


@pytest.mark.parametrize(
    ("location", "url"),
    [
        (b"/x", "https://example.com:8443/x"),
        (b"x", "https://example.com:8443/a/x"),
        (b"?e", "https://example.com:8443/a/b?e"),
        (b"//other.example/x", "https://other.example/x"),
        (b"https://other.example", "https://other.example/"),
        (b" /caf\xc3\xa9 x#y ", "https://example.com:8443/caf%C3%A9%20x"),
        (b"/\xff", "https://example.com:8443/%FF"),
    ],
)
def test_a_redirect_is_read_from_where_it_stands(location: bytes, url: str) -> None:
    assert redirected(HERE, location).url == url


@pytest.mark.parametrize(
    "location",
    [
        *(b"http://example.com/", b"//user@other.example/", b"ftp://a/", b"file:///etc/passwd"),
        *(b"https://2130706433/", b"https://[::1/", b"https://a:99999/", b"javascript:x"),
    ],
)
def test_a_redirect_to_where_nobody_should_go_is_not_followed(location: bytes) -> None:
    with pytest.raises(ToolFailed, match="not followed") as caught:
        redirected(HERE, location)
    assert HERE.url in caught.value.message


def test_http_may_lead_to_https() -> None:
    there = redirected(target("http://example.com/"), b"https://example.com/")
    assert there == Target("https", "example.com", 443, "/")
