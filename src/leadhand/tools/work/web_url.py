"""Web url: what a URL of a model's asks for, and where a redirect may lead.

Law: the host that is checked is the host that is asked; whatever two readers could read in two
ways is refused.
"""

import re
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from leadhand.domain import hosts
from leadhand.domain.text import one_line
from leadhand.refusals import InvalidArguments, ToolFailed
from leadhand.tools.work.paths import shown

URL_MAX = 8_192
SHOWN_MAX = 300
_PORTS = {"http": 80, "https": 443}
_PLAIN = re.compile(r"[^\[\]:]+(:[0-9]*)?")
_BRACKETED = re.compile(r"\[[^\[\]]+\](:[0-9]*)?")
# What stands as it is in a path or query; an escape that is there already stays.
_SAFE = "!#$%&'()*+,/:;=?@[]~"


class Target(NamedTuple):
    """Where a request goes: each part in its one spelling. path: with its query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        """The whole, as it goes out; without the port where that is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


def target(url: str) -> Target:
    """What a URL asks for. Raises InvalidArguments."""
    text = url.strip()
    if len(text) > URL_MAX:
        raise InvalidArguments(f"url has {len(text)} characters; {URL_MAX} is the most.")
    if any(char <= " " or char in "\\\x7f" for char in text):
        raise _invalid(text, "holds a space, a backslash or a control character", "Escape it: %20.")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise _invalid(text, f"is no URL: {error}") from None
    if parts.scheme not in _PORTS:
        raise _invalid(text, "does not begin with http:// or https://")
    if "@" in parts.netloc:
        raise _invalid(
            text, "holds a user name or a password", "Only what needs no credentials is fetched."
        )
    if not parts.hostname or port == 0:
        raise _invalid(text, "names no host, or port 0")
    try:
        host = hosts.canonical(parts.hostname)
        if not (_BRACKETED if ":" in host else _PLAIN).fullmatch(parts.netloc):
            raise ValueError("only an IPv6 address, and all of it, stands in brackets")
    except ValueError as error:
        raise _invalid(text, f"has a host that is not usable: {error}") from None
    path = parts.path or "/"
    query = f"?{parts.query}" if parts.query else ""
    try:
        return Target(parts.scheme, host, port or _PORTS[parts.scheme], quote(path + query, _SAFE))
    except UnicodeError:
        raise _invalid(text, "holds half a character") from None


def _invalid(url: str, why: str, todo: str = "") -> InvalidArguments:
    return InvalidArguments(f"url {short(url)} {why}.", todo)


def short(url: str) -> str:
    """A URL as a message names it."""
    return shown(one_line(url, SHOWN_MAX))


def redirected(from_: Target, location: bytes) -> Target:
    """Where a redirect leads. Raises ToolFailed where it leads where nobody should go."""
    text = quote(location.strip(), _SAFE)
    try:
        to = target(urljoin(from_.url, text))
    except (InvalidArguments, ValueError) as error:
        raise ToolFailed(
            f"{short(from_.url)} redirects to {short(text)}, which is not followed: {error}"
        ) from None
    if from_.scheme == "https" and to.scheme == "http":
        raise ToolFailed(
            f"{short(from_.url)} redirects to {short(to.url)}, which is not followed: it would "
            "leave https for http.",
            "Report that; fetch the other URL by itself if you need what is there.",
        )
    return to
