"""Providers: the servers of models that a manifest names under [providers.NAME]."""

import re
from typing import get_args
from urllib.parse import urlsplit

from leadhand.domain import hosts
from leadhand.domain.manifest import Auth, Dialect, Provider
from leadhand.domain.text import one_line
from leadhand.load.section import ENTRIES_MAX, NAME, NAME_RULE, Section, quoted
from leadhand.load.variables import SECRET

KEYS = ("base_url", "dialect", "key_env", "auth")
HOMES = dict.fromkeys(KEYS, "[providers.NAME]")
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
USUAL: Dialect = "openai-chat"
AUTHS: tuple[Auth, ...] = get_args(Auth)

_AUTHORITY = re.compile(r"[^/]*//([^/?#]*)")
# Upper case only: a key that strays in here is hardly ever.
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,99}")
_KEYS_MEND = (
    "Keys live in the environment only: write the name of the variable that holds it, such as "
    'key_env = "OPENAI_API_KEY"'
)
_URL_MEND = 'Write it like base_url = "https://models.example.com/v1"'


def read(providers: Section) -> dict[str, Provider]:
    """The providers by name."""
    found = {}
    for name, section in providers.tables(ENTRIES_MAX):
        if name == "script":
            providers.fault(
                name, message="is the name of scripted models", mend="Name it otherwise"
            )
        elif not NAME.fullmatch(name):
            providers.fault(name, message=f"the name {NAME_RULE}")
        found[name] = _provider(name, section)
    return found


def _provider(name: str, section: Section) -> Provider:
    section.only(KEYS, HOMES)
    own = next((each for each in DIALECTS if each == name), None)
    dialect = section.choice("dialect", DIALECTS) if own is None else own
    if own is not None and "dialect" in section:
        mend = "Leave it out, or give the server a name of its own"
        section.fault("dialect", message=f"is fixed for {own}", mend=mend)
    if own is None and "base_url" not in section:
        mend = 'Say where it listens: base_url = "http://127.0.0.1:11434/v1"'
        section.fault("base_url", message="is required", mend=mend)
    url, key_env = _base_url(section), _key_env(section)
    if key_env and url.lower().startswith("http:") and not hosts.loopback(hosts.url_host(url)):
        section.warn("base_url", message="is not https: who listens on the way learns the key")
    auth = section.choice("auth", AUTHS) or "key"
    if auth == "login" and key_env:
        mend = "Keep one of them: a coding agent's own login, or a key"
        section.fault("key_env", message='stands beside auth = "login"', mend=mend)
    if auth == "login":
        what = "lets a coding agent's own login pay: its cost is notional, counted at list price"
        section.warn("auth", message=what)
    return Provider(dialect or USUAL, url, key_env, auth)


def _base_url(section: Section) -> str:
    """The base URL; a faulty one is not shown where it may hold a secret."""
    text = section.text("base_url")
    if text is None:
        return ""
    authority = _AUTHORITY.match(text)
    if authority and "@" in authority[1]:
        section.fault("base_url", message="must not hold a user or password", mend=_KEYS_MEND)
    elif "?" in text or "#" in text:
        section.fault("base_url", message="must not hold a query or fragment", mend=_URL_MEND)
    else:
        try:
            return _checked(text)
        except ValueError as error:
            message = f"{quoted(text)} is no base URL: {one_line(str(error))}"
            section.fault("base_url", message=message, mend=_URL_MEND)
    return ""


def _checked(text: str) -> str:
    """The URL. Raises ValueError where it is none, or means another host than it shows."""
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise ValueError("it must be printable ASCII without spaces")
    host = hosts.url_host(text)
    if not host:
        raise ValueError("it must begin with http://HOST or https://HOST")
    if "[" in text and ":" not in host:
        raise ValueError("only an IPv6 address stands in brackets")
    hosts.canonical(host)
    if urlsplit(text).port == 0:
        raise ValueError("there is no port 0")
    return text


def _key_env(section: Section) -> str:
    """The name of a variable; what is not one is not shown, since it may be a key."""
    section.form("key_env", type="string", pattern=f"^{_VARIABLE.pattern}$")
    if "key_env" not in section:
        return ""
    text = section.values["key_env"]
    message = "is not the name of an environment variable in capitals"
    if isinstance(text, str) and _VARIABLE.fullmatch(text):
        if SECRET.search(text):
            return text
        message = (
            "is a name that does not say KEY, TOKEN or SECRET, so its value would not be hidden"
        )
    section.fault("key_env", message=message, mend=_KEYS_MEND)
    return ""
