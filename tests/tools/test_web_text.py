"""Web text: bodies are decoded as they say, HTML reads well, and hostile pages end."""

import gzip
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadhand.tools.work.web_text import TEXT_MAX, UNENDED_MAX, reading, reduce

URL = "https://example.com/docs/page"
MEGABYTE = 1024 * 1024


def text_of(html: str) -> str:
    text, whole = reduce(html, URL)
    assert whole
    return text


PAGE = """<!DOCTYPE html>
<html><head><title>The  title &amp; more</title>
<meta charset="utf-8"><meta name="description" content="What it  is">
<meta http-equiv="Content-Security-Policy" content="default-src 'self'">
<style>p { color: red }</style><script>if (a < b) { alert("</p>") }</script></head>
<body><h1>Head <em>ing</em></h1>
<p>One   paragraph
with <a href="../x?y#z">a link</a>, <a href="#top">none</a> and <b>bold</b>.</p><p>Two<br>lines</p>
<ul><li>first</li><li>second <ul><li>deep</li></ul></li></ul>
<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr></table>
<pre>  kept
    as it is</pre>
<img src="x.png" alt="a  cat"><img src="y.png"><svg><text>no</text></svg>
<template><p>no</p></template>&lt;tag&gt; &#x41;&nbsp;
</body></html>"""


def test_a_page_is_reduced_to_its_words() -> None:
    assert text_of(PAGE) == (
        "Title: The title & more\n\n"
        "Meta description: What it is\n"
        "Meta Content-Security-Policy: default-src 'self'\n\n"
        "# Head ing\n\n"
        "One paragraph with [a link](https://example.com/x?y#z), none and bold.\n\n"
        "Two\nlines\n\n"
        "- first\n- second\n\n- deep\n\n"
        "A | B\n1 | 2\n\n"
        "  kept\n    as it is\n\n"
        "[image: a cat] <tag> A"
    )


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("just text", "just text"),
        ("a<b", "a"),
        ("a & b &amp; c &nothing; &zz &am", "a & b & c ¬hing; &zz &am"),
        ("x &lt", "x <"),
        ("<p>open <p>and open", "open\n\nand open"),
        ("</p></div>stray", "stray"),
        ("<a href='/x'>un<b>closed", "[unclosed"),
        ("<a href='/x'> <b>in</b> word</a>s", "[in word](https://example.com/x)s"),
        ("a <a href='/x'> b</a>", "a [b](https://example.com/x)"),
        ("<a href='/x'></a>y", "y"),
        ("<a href='javascript:alert(1)'>y</a>", "y"),
        ("<a href='data:text/html,x'>y</a>", "y"),
        ("<a href='//[bad'>y</a>", "y"),
        (f"<a href='/{'x' * 400}'>y</a>", "y"),
        ("<base href='https://b.example/'><a href='c'>y</a>", "[y](https://b.example/c)"),
        ("<![CDATA[x]]>y<![if !IE]>z<![endif]><!bogus>w<!-- c -->", "yzw"),
        ("<script>never closed <p>x", ""),
        ("<svg/>y", "y"),
        ("<H2>Loud</H2>", "## Loud"),
        ("<td>a</td><td>b</td>", "a | b"),
        ("<ol><li>a<li>b</ol>c", "- a\n- b\n\nc"),
        ("a<br/><br/><br/>b", "a\n\nb"),
        ("<textarea>x</textarea><title>t", "x\n\nTitle: t"),
        ("\0<p>\x01</p>", "\0\n\n\x01"),
    ],
)
def test_broken_html_gives_what_it_holds(html: str, text: str) -> None:
    assert text_of(html) == text


@given(st.text(alphabet="<>/!-[]abp &;#x='\"\n", max_size=200))
def test_any_html_is_read_to_its_end(html: str) -> None:
    text, whole = reduce(html, URL)
    assert whole
    assert len(text) <= 20 * len(html) + 20


@given(st.binary(max_size=200), st.text(max_size=30))
def test_any_body_is_read(body: bytes, content_type: str) -> None:
    reading(body, content_type, URL)
    reading(body, f"text/html; charset={content_type}", URL)


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        *("<", "</", "<!", "<!--", "<![", "<a ", "<a b='", "&", "&#", "<?", "<p>", "<svg>", "<a>"),
        *("<a href=x>y", "<td>", "<script>", "<style>x", "\0", " ", "<br>", "<!doctype ", "&amp;"),
        *("<a b=c ", "<a/", "<a =", "<a '", '<div a="b" ', "<title>", "--", "]]>", "<pre> "),
    ],
)
def test_a_hostile_page_takes_bounded_time_and_memory(piece: str) -> None:
    began = time.monotonic()
    text, _ = reduce(piece * (2 * MEGABYTE // len(piece)), URL, secs=3.0)
    assert time.monotonic() - began < 15.0
    assert len(text) < TEXT_MAX + UNENDED_MAX


def test_a_page_that_takes_too_long_is_told_from_a_whole_one() -> None:
    text, whole = reduce("<p>x" * 100_000, URL, secs=0.0)
    assert not whole
    assert text.startswith("x\n\nx")


def test_many_links_do_not_outgrow_their_page_for_ever() -> None:
    page = f"<base href='https://e.example/{'d' * 250}/'>" + "<a href=x>y</a>" * 60_000
    text, whole = reduce(page, URL)
    assert not whole
    assert len(text) < TEXT_MAX + 16 * 1024 * 300


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("café".encode(), "text/plain", "café"),
        ("café".encode(), "text/plain; charset=UTF-8", "café"),
        ("café".encode("latin-1"), "text/plain; charset=iso-8859-1", "café"),
        ("“x” café.".encode("cp1252"), "text/plain; charset=latin1", "“x” café."),
        ("“x” café.".encode("cp1252"), "text/plain", "“x” café."),
        ("café".encode("utf-16"), "text/plain", "café"),
        ("café".encode("utf-16-be"), 'text/plain; charset="utf-16be"', "café"),
        (b"\xef\xbb\xbfx", "text/plain; charset=latin1", "x"),
        ("日本".encode("shift_jis"), "text/plain;charset=Shift_JIS", "日本"),
        (b"<meta charset='shift_jis'>" + "日本".encode("shift_jis"), "text/html", "日本"),
        (b'{"a": 1}', "application/json", '{"a": 1}'),
        (b"a: 1", "application/vnd.x+yaml", "a: 1"),
        (b"<svg/>", "image/svg+xml", "<svg/>"),
        (b"#!/bin/sh", "application/octet-stream", "#!/bin/sh"),
        (b"plain", "", "plain"),
        (b"<p>x", "text/plain", "<p>x"),
        (b"<html><p>x", "", "x"),
        (b" <!DOCTYPE HTML><p>x", "", "x"),
        ("caf€".encode()[:-1], "text/plain", "caf\ufffd"),
    ],
)
def test_a_body_is_decoded_as_it_says(body: bytes, content_type: str, text: str) -> None:
    assert reading(body, content_type, URL).text == text


@pytest.mark.parametrize(
    "charset", ["nonsense", "hex", "zlib", "idna", "punycode", "unicode_escape", "utf-7", "rot13"]
)
def test_a_charset_that_is_none_is_said_and_the_body_still_read(charset: str) -> None:
    found = reading("café".encode(), f"text/plain; charset={charset}", URL)
    assert found.text == "café"
    assert f'(the charset "{charset}" is not known)' in found.kind


def test_bytes_that_their_charset_does_not_have_are_shown_as_such() -> None:
    assert reading(b"a\xffb", "text/plain; charset=utf-8", URL).text == "a\ufffdb"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "image/png"),
        (b"plain", "image/png"),
        (gzip.compress(b"x", mtime=0), "application/gzip"),
        (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", "application/pdf"),
        (b"a\0b", ""),
        (b"a\0b", "application/octet-stream"),
    ],
)
def test_what_is_binary_is_named_and_not_read(body: bytes, content_type: str) -> None:
    found = reading(body, content_type, URL)
    assert found.text is None
    assert found.kind == (content_type or "unknown type")


def test_a_type_that_is_none_is_not_repeated() -> None:
    assert reading(b"x", "text/<b>\x1b[31m", URL).kind.startswith("unknown type")
