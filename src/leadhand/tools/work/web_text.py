"""Web text: a body as a model can read it: decoded, and HTML reduced to its words.

Pages are hostile: whatever they hold, the time and the memory that reading them takes is bounded.
"""

import codecs
import html
import re
import time
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import urljoin

CHUNK = 16 * 1024
# A tag or a script that has not ended by then is left out.
UNENDED_MAX = 64 * 1024
REDUCE_SECS = 5.0
TEXT_MAX = 8 * 1024 * 1024
LINK_MAX = 300
SNIFFED = 8 * 1024

_SPACE = re.compile(r"[ \t\r\n\f]+")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9_:.()-]{1,40})", re.IGNORECASE)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# As browsers have it: who says Latin-1 or ASCII means Windows' superset of them.
_MEANT = {"iso8859-1": "cp1252", "ascii": "cp1252"}
# Python decodes by these names what is no charset of the web, some of it in quadratic time.
_NO_CHARSETS = frozenset(
    {"charmap", "idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}
)
_TEXTUAL = re.compile(
    r"text/.*|.*[/+](json|xml|yaml|toml|javascript|ecmascript|x-sh|sql|graphql|x-ndjson)"
    r"|application/(x-javascript|x-www-form-urlencoded|x-yaml|problem\+json|ld\+json)"
)
_HTML = re.compile(r"text/html|application/xhtml\+xml")


class Reading(NamedTuple):
    """A body as text. kind: what it is and how it was read, for people; text: None where it is
    binary."""

    kind: str
    text: str | None


def reading(body: bytes, content_type: str, url: str) -> Reading:
    """Read a body. url: where it came from, which its links are relative to."""
    media = content_type.partition(";")[0].strip().lower()
    name = media if re.fullmatch(r"[\w.+-]+/[\w.+-]+", media) else "unknown type"
    if not _is_text(body, media):
        return Reading(name, None)
    charset, remark = _charset(body, content_type, bool(_HTML.fullmatch(media)))
    text = body.decode(charset, "replace").removeprefix("\ufeff")
    kind = f"{name}, {charset}{remark}"
    looks_html = body[:SNIFFED].lstrip()[:15].lower().startswith((b"<!doctype html", b"<html"))
    if _HTML.fullmatch(media) or (not media and looks_html):
        reduced, whole = reduce(text, url)
        kind += ", as readable text" + ("" if whole else " as far as it could be read")
        return Reading(kind, reduced)
    return Reading(kind, text)


def _is_text(body: bytes, media: str) -> bool:
    if _TEXTUAL.fullmatch(media) or body.startswith(tuple(mark for mark, _ in _MARKS)):
        return True
    if b"\0" in body[:SNIFFED] or media.partition("/")[0] in ("image", "audio", "video", "font"):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(body[:SNIFFED])
    except UnicodeDecodeError:
        return False
    return True


def _charset(body: bytes, content_type: str, is_html: bool) -> tuple[str, str]:
    """How to decode a body, and a remark where that is not what was asked for."""
    for mark, charset in _MARKS:
        if body.startswith(mark):
            return charset, ""
    asked = _CHARSET.search(content_type)
    if asked is None and is_html:
        asked = _CHARSET.search(body[:1024].decode("latin-1"))
    if asked is not None:
        found = _known(asked[1])
        return (found, "") if found else ("utf-8", f' (the charset "{asked[1]}" is not known)')
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        # A body that was cut may end in the middle of a character.
        if error.end < len(body) or error.reason != "unexpected end of data":
            return "cp1252", ""
    return "utf-8", ""


def _known(charset: str) -> str:
    """Python's name of a charset; empty where it has none that is one."""
    try:
        name = codecs.lookup(charset).name.replace("_", "-")
        b"    ".decode(name, "replace")
    except (LookupError, ValueError):
        return ""
    return "" if name in _NO_CHARSETS else _MEANT.get(name, name)


def reduce(text: str, url: str, secs: float = REDUCE_SECS) -> tuple[str, bool]:
    """The words of HTML with its headings, lists, links and tables, and whether that is all."""
    page = _Page(url)
    deadline = time.monotonic() + secs
    for start in range(0, len(text), CHUNK):
        try:
            page.feed(text[start : start + CHUNK])
        except AssertionError:
            # The parser's way to say that a declaration makes no sense to it.
            return page.words(), False
        page.forget()
        if page.size > TEXT_MAX or time.monotonic() > deadline:
            return page.words(), False
    page.end()
    return page.words(), True


_BLOCKS = frozenset(
    """address article aside blockquote body dd details div dl dt fieldset figcaption figure footer
    form header hr legend li main nav ol option p pre section summary table title tr ul""".split()
)
_APART = frozenset("blockquote h1 h2 h3 h4 h5 h6 ol p pre table title ul".split())
_HEADINGS = frozenset("h1 h2 h3 h4 h5 h6".split())
_SILENT = frozenset("script style svg template".split())


class _Page(HTMLParser):
    """Collects the words of a page."""

    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self.size = 0
        self._url = url
        self._parts: list[str] = []
        self._breaks, self._fresh = 0, True
        self._silent, self._pre, self._cells = 0, 0, 0
        self._link, self._said = "", False

    def words(self) -> str:
        """What was collected."""
        return "".join(self._parts).strip()

    def forget(self) -> None:
        """Let go of what has begun and does not end, which would be read again and again."""
        if len(self.rawdata) > UNENDED_MAX:
            # A script's end may have begun.
            self.rawdata = self.rawdata[-16:] if self.cdata_elem else ""

    def end(self) -> None:
        """Take what is left, unless it is a tag that never ended."""
        if self.rawdata and not self.rawdata.startswith("<") and not self.cdata_elem:
            self.handle_data(html.unescape(self.rawdata))

    def parse_html_declaration(self, i: int) -> int:
        """As the parser does it, but `<![...]>` is passed over, as browsers do."""
        if self.rawdata.startswith("<![", i):
            return self.parse_bogus_comment(i)
        return super().parse_html_declaration(i)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        if tag in _SILENT:
            self._silent += 1
        if self._silent:
            return
        self._break(tag)
        if tag == "br":
            self._breaks = min(2, self._breaks + 1)
        elif tag == "tr":
            self._cells = 0
        elif tag in ("td", "th"):
            self._cells += 1
            if self._cells > 1:
                self._add(" | ")
        elif tag == "li":
            self._add("- ")
        elif tag in _HEADINGS:
            self._add("#" * int(tag[1]) + " ")
        elif tag == "pre":
            self._pre += 1
        elif tag == "title":
            self._add("Title: ")
        elif tag in ("a", "img", "meta", "base"):
            self._refer(tag, {name: value or "" for name, value in reversed(attrs)})

    def handle_endtag(self, tag: str) -> None:
        """See HTMLParser."""
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
            return
        if self._silent:
            return
        if tag == "a" and self._link:
            if self._said:
                self._add(f"]({self._link})")
            self._link, self._said = "", False
        elif tag == "pre":
            self._pre = max(0, self._pre - 1)
        self._break(tag)

    def handle_data(self, data: str) -> None:
        """See HTMLParser."""
        text = data if self._pre else _SPACE.sub(" ", data)
        if not self._pre and (self._fresh or self._breaks):
            text = text.lstrip(" ")
        if not text or self._silent:
            return
        if self._link and not self._said and text.strip():
            self._said = True
            text = f"{' ' * text.startswith(' ')}[{text.lstrip(' ')}"
        self._add(text)

    def _refer(self, tag: str, given: dict[str, str]) -> None:
        if tag == "a":
            self._link, self._said = self._absolute(given.get("href", "")), False
        elif tag == "base":
            self._url = self._absolute(given.get("href", "")) or self._url
        elif tag == "img" and (alt := " ".join(given.get("alt", "").split())):
            self._add(f"[image: {alt}]")
        elif tag == "meta" and given.get("content"):
            # A page may set some of its headers so.
            name = given.get("http-equiv") or given.get("name", "")
            if given.get("http-equiv") or name.lower() == "description":
                self._breaks = max(1, self._breaks)
                self._add(f"Meta {name}: {_SPACE.sub(' ', given['content'])}")
                self._breaks = 1

    def _absolute(self, href: str) -> str:
        """Where a link leads; empty where that is nowhere else or cannot be told."""
        href = _SPACE.sub("", href)
        if not href or href.startswith("#"):
            return ""
        try:
            found = urljoin(self._url, href)
        except ValueError:
            return ""
        web = found.lower().startswith(("http://", "https://", "mailto:"))
        return found if web and len(found) <= LINK_MAX else ""

    def _break(self, tag: str) -> None:
        if tag in _APART:
            self._breaks = 2
        elif tag in _BLOCKS:
            self._breaks = max(1, self._breaks)

    def _add(self, text: str) -> None:
        if self._breaks and self._parts:
            self._parts[-1] = self._parts[-1].rstrip(" ")
            text = "\n" * self._breaks + text
        self._breaks = 0
        self._parts.append(text)
        self.size += len(text)
        self._fresh = text[-1:] in (" ", "\n")
