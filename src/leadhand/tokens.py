"""Tokens: who holds which token. Law: only hashes are kept; a token is told once, to its actor."""

import hashlib
import secrets

from leadhand.domain.ids import ActorId
from leadhand.stores.codec import TOKEN_PREFIX

BYTES = 32
# How many that hold no longer are still known by name.
RETIRED_MAX = 10_000


class Tokens:
    """The tokens of one run: one of each actor that is to have one."""

    def __init__(self) -> None:
        self._holders: dict[bytes, ActorId] = {}
        self._current: dict[ActorId, bytes] = {}
        self._retired: dict[bytes, ActorId] = {}

    def issue(self, actor: ActorId) -> str:
        """A new token of an actor, in place of the one it had."""
        self.revoke(actor)
        token = TOKEN_PREFIX + secrets.token_urlsafe(BYTES)
        digest = digest_of(token)
        self._holders[digest], self._current[actor] = actor, digest
        return token

    def revoke(self, actor: ActorId) -> None:
        """Let an actor's token open nothing any more."""
        digest = self._current.pop(actor, None)
        if digest is None:
            return
        del self._holders[digest]
        self._retired[digest] = actor
        if len(self._retired) > RETIRED_MAX:
            del self._retired[next(iter(self._retired))]

    def holder(self, token: str) -> ActorId | None:
        """Whose token it is, if it is anybody's."""
        return self._holders.get(digest_of(token))

    def former(self, token: str) -> ActorId | None:
        """Whose token it was."""
        return self._retired.get(digest_of(token))


def digest_of(token: str) -> bytes:
    """What is kept of a token. To look up a hash tells a guesser nothing by its time."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
