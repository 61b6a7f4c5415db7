"""Codec: how an event becomes bytes and back, and how secrets are kept out of both."""

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from leadhand.domain.events import AnyEvent, Event
from leadhand.errors import StoreError

SECRET_MIN = 8
ESCAPES_MAX = 3
# What the bearer token of an actor looks like, which is told once and kept nowhere.
TOKEN_PREFIX = "leadhand-actor-"  # noqa: S105 (what every token begins with)
TOKEN_FORM = TOKEN_PREFIX.encode() + rb"[A-Za-z0-9_-]{43}"
TOKEN_MARK = b"[secret LEADHAND_MCP_TOKEN]"
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)

S = TypeVar("S", bound=msgspec.Struct)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(AnyEvent)


class Spilled(msgspec.Struct, frozen=True, tag="Spilled"):
    """What a row holds instead of an event that is too long for it."""

    blob: str


_spilled = msgspec.json.Decoder(Spilled)
_MARK = b'{"type":"Spilled"'


class Secrets:
    """The secret values that must never be stored, and what stands in their place.

    JSON may hold JSON (an answer holds a tool's arguments) and errors may quote, so a value is
    also looked for in the forms that this gives.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        """values: by name. A value shorter than SECRET_MIN is no secret."""
        self._marks: dict[bytes, bytes] = {}
        self.learn(values)

    def learn(self, values: Mapping[str, str]) -> None:
        """Keep these out too, from now on."""
        self._marks |= {
            form: f"[secret {name}]".encode()
            for name, value in values.items()
            if len(value) >= SECRET_MIN
            for form in forms(value)
        }
        longest_first = sorted(self._marks, key=len, reverse=True)
        self._forms = [re.escape(form) for form in longest_first]
        self._any = re.compile(b"|".join(self._forms))
        self._tokens = False

    def expect_tokens(self) -> None:
        """From now on the tokens of actors are secrets too, known by their form."""
        self._tokens = True
        self._any = re.compile(b"|".join([*self._forms, TOKEN_FORM]))

    def _mark(self, found: re.Match[bytes]) -> bytes:
        return self._marks.get(found.group(), TOKEN_MARK)

    def clean(self, text: str) -> str:
        """The text without secrets."""
        if not self._marks and not self._tokens:
            return text
        data = text.encode(errors="surrogatepass")
        return self.clean_bytes(data).decode(errors="surrogatepass")

    def clean_bytes(self, data: bytes) -> bytes:
        """Bytes, plain or JSON, without secrets."""
        if not self._marks and not self._tokens:
            return data
        return self._any.sub(self._mark, data)

    def clean_struct(self, value: S) -> S:
        """A struct without secrets in any of its texts."""
        if not self._marks and not self._tokens:
            return value
        data = _encoder.encode(value)
        if not self._any.search(data):
            return value
        return msgspec.json.decode(self.clean_bytes(data), type=type(value))


def forms(value: str) -> list[bytes]:
    """The value as it is and as Python's repr shows it, each also as it stands in JSON, in JSON
    in JSON, and so on."""
    found: list[bytes] = []
    for start in (value, repr(value)[1:-1]):
        text = start
        for _ in range(ESCAPES_MAX + 1):
            form = text.encode(errors="surrogatepass")
            if form in found:
                break
            found.append(form)
            text = _encoder.encode(text)[1:-1].decode()
    return sorted(found, key=len)


NO_SECRETS = Secrets({})


def secrets_of(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of an environment whose names say that they are secret."""
    return {name: value for name, value in environment.items() if _SECRET_NAME.search(name)}


def encode(event: Event) -> bytes:
    """The event as JSON."""
    return _encoder.encode(event)


def spill(blob: str) -> bytes:
    """The row of an event that is kept as a blob."""
    return _encoder.encode(Spilled(blob))


def spilled(data: bytes) -> str | None:
    """The blob that a row points to, if it does."""
    return _spilled.decode(data).blob if data.startswith(_MARK) else None


def decode(data: bytes) -> Event:
    """The event. Raises StoreError for one that this version does not know."""
    try:
        return _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise StoreError(
            f"the log holds an event that this version cannot read ({error}); "
            "use the newer Leadhand that wrote it"
        ) from error
