"""Sinks: where notices may be sent, and what a URL of the operator's asks for.

Law: by https to the public's addresses, and else only where the operator's environment names it.
No word of a URL, which may be a secret, stands in what is said about it.
"""

from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from leadhand.domain import hosts
from leadhand.domain.hosts import Address, Permit
from leadhand.domain.manifest import Notification
from leadhand.domain.variables import expanded, named, ours

# The operator's environment: hosts that may be told though they are not public or speak no https,
# and where the program that began the run is told.
ALLOW_HOSTS = "LEADHAND_NOTIFY_ALLOW_HOSTS"
PARENT = "LEADHAND_PARENT_NOTIFY_URL"
PARENT_URL = f"${{{PARENT}}}"
URL_MAX = 8_192
_PORTS = {"http": 80, "https": 443}
# What stands as it is in a path or query; an escape that is there already stays.
_SAFE = "!#$%&'()*+,/:;=?@[]~"


class Destination(NamedTuple):
    """What a URL asks for, each part in its one spelling; path: with its query. permits: what the
    operator's environment allows beside the public."""

    scheme: str
    host: str
    port: int
    path: str
    permits: tuple[Permit, ...] = ()

    @property
    def url(self) -> str:
        """The whole, as it goes out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def permits(environ: Mapping[str, str], variable: str = ALLOW_HOSTS) -> tuple[Permit, ...]:
    """What a variable of the operator's environment allows. Raises ValueError."""
    given = [text for text in environ.get(variable, "").replace(",", " ").split() if text]
    try:
        return tuple(map(hosts.permit, given))
    except ValueError as error:
        form = f"write {hosts.ENTRY_FORM}, with commas between"
        raise ValueError(f"{variable} cannot be read: {form}") from error


def destination(sink: Notification, environ: Mapping[str, str]) -> Destination:
    """Where a sink is, its variables filled in. Raises ValueError with the reason why it may not
    be told; who an address belongs to is found out when it is told."""
    for name in named(sink.url):
        if ours(name) and name not in environ:
            raise ValueError(f"{name} is not set")
    allowed = permits(environ)
    scheme, host, port, path = parts(expanded(sink.url, environ).strip())
    where = hosts.address(host)
    if sink.url == PARENT_URL:
        network = None if where is None else hosts.permit(f"[{host}]" if ":" in host else host)
        allowed += (Permit(host, network.network if network else None, port),)
    found = Destination(scheme, host, port, path, allowed)
    if where is not None and (why := refused(found, where)):
        raise ValueError(why)
    named_one = any(one.network or names(one, host, port) for one in allowed)
    if where is None and scheme == "http" and not named_one:
        raise ValueError(NO_HTTPS)
    if where is None and hosts.loopback(host) and not named_one:
        raise ValueError(f"it leads to this machine, which {ALLOW_HOSTS} does not name")
    return found


NO_HTTPS = f"it does not begin with https://, and {ALLOW_HOSTS} does not name its host"


def refused(to: Destination, where: Address) -> str:
    """Why an address may not be told; empty where it may."""
    if hosts.allowed(to.permits, to.host, where, to.port):
        return ""
    if kind := hosts.special(where):
        return f"it leads to {kind}, which {ALLOW_HOSTS} does not name"
    return "" if to.scheme == "https" else NO_HTTPS


def usable(to: Destination, found: Sequence[Address]) -> tuple[list[Address], str]:
    """Which of a host's addresses may be told, and why the last of the others may not."""
    whys = {where: refused(to, where) for where in found}
    return [where for where, why in whys.items() if not why], "".join([*whys.values()][-1:])


def names(one: Permit, host: str, port: int) -> bool:
    """Whether an entry names a host, whatever its address."""
    nowhere = IPv6Address(0)
    return hosts.allowed((one._replace(network=None),), host, nowhere, port)


def parts(text: str) -> tuple[str, str, int, str]:
    """Scheme, host, port and path of a URL. Raises ValueError."""
    if len(text) > URL_MAX:
        raise ValueError(f"it is longer than {URL_MAX} characters")
    if any(char <= " " or char in "\\\x7f" for char in text):
        raise ValueError("it holds a space, a backslash or a control character")
    try:
        found = urlsplit(text)
        port = found.port
    except ValueError:
        raise ValueError("it is no URL") from None
    if found.scheme not in _PORTS:
        raise ValueError("it does not begin with https://")
    if "@" in found.netloc:
        raise ValueError("it holds a user name or a password, which are not sent")
    if not found.hostname or port == 0:
        raise ValueError("it names no host, or port 0")
    try:
        host = hosts.canonical(found.hostname)
    except ValueError:
        raise ValueError("its host is no name and no address") from None
    query = f"?{found.query}" if found.query else ""
    try:
        path = quote((found.path or "/") + query, _SAFE)
    except UnicodeError:
        raise ValueError("it holds half a character") from None
    return found.scheme, host, port or _PORTS[found.scheme], path
