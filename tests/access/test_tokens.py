"""iii_actors.access.tokens, .visitor, .addresses, .origins: who comes."""

import hmac
from datetime import UTC, datetime

import pytest

from iii_actors import limits
from iii_actors.access import tokens
from iii_actors.access.addresses import crowd
from iii_actors.access.errors import AuthError
from iii_actors.access.origins import Origins
from iii_actors.access.tokens import Tokens, hashed, new_token
from iii_actors.access.visitor import Visitor
from iii_actors.config.access import TokenSettings


def listed(*pairs):
    return Tokens([TokenSettings(name=name, hash=hashed(token), **more) for name, token, more in pairs])


def test_tokens_are_long_random_and_fit_into_a_url():
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    for token in made:
        assert token.startswith("iii_")
        assert len(token) - 4 >= limits.TOKEN_BYTES * 8 / 6
        assert token.replace("-", "").replace("_", "").isalnum()


def test_the_hash_is_what_anybody_can_compute():
    assert hashed("abc") == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_finding_compares_all_in_constant_time(monkeypatch):
    compared = []

    really = hmac.compare_digest

    def compare(one, other):
        compared.append(one)
        return really(one, other)

    some = listed(("a", "x", {}), ("b", "y", {}), ("c", "z", {}))
    monkeypatch.setattr(tokens.hmac, "compare_digest", compare)
    assert some.find("x", 0.0).name == "a"
    assert some.find("nobody's", 0.0) is None
    assert len(compared) == 6


def test_what_is_too_long_is_not_even_hashed(monkeypatch):
    some = listed(("a", "x" * (limits.MAX_TOKEN_CHARS + 1), {}))
    monkeypatch.setattr(tokens, "hashed", lambda token: pytest.fail("hashed"))
    assert some.find("x" * (limits.MAX_TOKEN_CHARS + 1), 0.0) is None


def test_expiry():
    at = datetime(2030, 1, 1, tzinfo=UTC)
    some = listed(("a", "x", {"expires_at": at}))
    assert some.find("x", at.timestamp() - 0.001).name == "a"
    with pytest.raises(AuthError, match="the token 'a' has expired"):
        some.find("x", at.timestamp())


@pytest.mark.parametrize(
    ("headers", "query", "token"),
    [
        ([], "", None),
        ([("authorization", "Bearer a")], "", "a"),
        ([("authorization", "bearer\ta")], "", None),
        ([("authorization", "BEARER  a b ")], "", "a b"),
        ([("authorization", "Bearer")], "token=q", "q"),
        ([("authorization", "Bearer ")], "token=q", "q"),
        ([("authorization", "Basic eA=="), ("authorization", "Bearer a")], "", "a"),
        ([("x", "Bearer a")], "", None),
        ([], "token=a%2Fb&token=c", "a/b"),
        ([], "Token=a", None),
    ],
)
def test_where_a_token_may_stand(headers, query, token):
    assert Visitor(tuple(headers), query, "::1").token() == token


def test_what_an_auth_function_is_told():
    visitor = Visitor((("a", "1"), ("b", "2"), ("a", "3")), "x=1&x=%20&y&&=z", "::1")
    assert visitor.described() == {
        "headers": {"a": "3", "b": "2"},
        "query_params": {"x": ["1", "%20"], "y": [""], "": ["z"]},
        "ip_address": "::1",
    }


@pytest.mark.parametrize(
    ("address", "whose"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"),
        ("2001:db8:0:1::9", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("no address", "no address"),
    ],
)
def test_whose_connections_count_together(address, whose):
    assert crowd(address) == whose


@pytest.mark.parametrize(
    ("allowed", "headers", "expected"),
    [
        ([], [], True),
        ([], [("origin", "https://a")], False),
        (["https://a"], [("origin", "https://a"), ("origin", "https://b")], False),
        (["*"], [("origin", "https://a"), ("origin", "https://b")], True),
    ],
)
def test_origins(allowed, headers, expected):
    assert Origins(allowed).allow(headers) is expected
