"""Endpoints: where MCP servers of a manifest may be reached, and what their variables stand for.

Law: by https, or on this machine, and else only where the operator's environment names the host.
No word of a URL or a header, which may be a secret, stands in what is said about it.
"""

from collections.abc import Iterator, Mapping

from leadhand import sinks
from leadhand.domain import hosts
from leadhand.domain.manifest import Manifest, McpServer
from leadhand.domain.variables import expanded, named, ours

# The operator's environment: hosts that may be asked though they speak no https.
ALLOW_HOSTS = "LEADHAND_MCP_ALLOW_HOSTS"
NO_HTTPS = f"it does not begin with https://, and {ALLOW_HOSTS} does not name its host"


def url_of(server: McpServer, environ: Mapping[str, str]) -> str:
    """The URL of a server as it goes out. Raises ValueError with the reason why it may not."""
    found = sinks.Destination(*sinks.parts(filled(server.url, environ).strip()))
    where = hosts.address(found.host)
    if found.scheme == "https" or hosts.loopback(found.host):
        return found.url
    for one in sinks.permits(environ, ALLOW_HOSTS):
        fits = sinks.names(one, found.host, found.port)
        if fits or (where and hosts.allowed((one,), found.host, where, found.port)):
            return found.url
    raise ValueError(NO_HTTPS)


def headers_of(server: McpServer, environ: Mapping[str, str]) -> dict[str, str]:
    """The headers of each request to a server. Raises ValueError."""
    found = {}
    for name, text in server.headers.items():
        value = filled(text, environ)
        if not value.isascii() or any(char < " " or char == "\x7f" for char in value):
            raise ValueError(f"{name} holds what no header holds")
        found[name] = value.strip()
    return found


def filled(text: str, environ: Mapping[str, str]) -> str:
    """A text with what its variables stand for. Raises ValueError where one is not set."""
    for name in filter(ours, named(text)):
        if name not in environ:
            raise ValueError(f"{name} is not set")
    return expanded(text, environ, every=True)


def texts(server: McpServer) -> Iterator[str]:
    """The texts of a server that may hold variables."""
    yield from (server.url, *server.headers.values(), *server.env.values())


def mcp_secrets(manifest: Manifest, environ: Mapping[str, str]) -> dict[str, str]:
    """What the variables of a manifest's servers stand for, by name."""
    every = (text for server in manifest.mcp_servers for text in texts(server))
    names = {name for text in every for name in named(text) if ours(name)}
    return {name: environ[name] for name in sorted(names) if name in environ}
