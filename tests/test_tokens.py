"""Tokens: each is one actor's, until it is revoked; only hashes are kept."""

from leadhand.domain.ids import ROOT, ActorId
from leadhand.stores.codec import Secrets
from leadhand.tokens import Tokens

W1 = ActorId("root/W1")


def test_a_token_is_one_actors() -> None:
    tokens = Tokens()
    lead, worker = tokens.issue(ROOT), tokens.issue(W1)
    assert lead != worker
    assert (tokens.holder(lead), tokens.holder(worker)) == (ROOT, W1)
    assert tokens.holder(lead[:-1]) is None
    assert tokens.holder("") is None
    assert tokens.holder("\ud800") is None


def test_a_revoked_token_opens_nothing_and_is_known_by_name() -> None:
    tokens = Tokens()
    first = tokens.issue(W1)
    second = tokens.issue(W1)
    assert tokens.holder(first) is None
    assert tokens.former(first) == W1
    tokens.revoke(W1)
    tokens.revoke(W1)
    assert tokens.holder(second) is None
    assert tokens.former("another") is None


def test_only_hashes_are_kept() -> None:
    tokens = Tokens()
    token = tokens.issue(ROOT)
    tokens.issue(ROOT)
    assert token not in repr(vars(tokens))


def test_a_token_is_kept_out_of_what_is_stored() -> None:
    token = Tokens().issue(ROOT)
    secrets = Secrets({"A_KEY": "long-enough"})
    assert secrets.clean(token) == token
    secrets.expect_tokens()
    assert (
        secrets.clean(f"a {token}, long-enough") == "a [secret LEADHAND_MCP_TOKEN], [secret A_KEY]"
    )
    bare = Secrets({})
    bare.expect_tokens()
    assert bare.clean_bytes(token.encode()) == b"[secret LEADHAND_MCP_TOKEN]"
