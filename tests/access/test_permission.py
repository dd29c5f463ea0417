"""iii_actors.access.permission and .rules: decisions without an engine; all rows of the table run in conformance."""

import msgspec
import pytest
from msgspec import Raw

from iii_actors import limits
from iii_actors.access.grants import Grants
from iii_actors.access.permission import Permission, Verdict
from iii_actors.access.rules import Rules
from iii_actors.config import EngineConfig
from iii_actors.errors import Forbidden
from iii_actors.wire import messages as wire


def rules(*listed):
    [settings] = EngineConfig.listening(rbac={"expose_functions": list(listed)}).listeners()
    return Rules(settings.rbac.expose_functions)


def metadata(value):
    return Raw(msgspec.json.encode(value))


@pytest.mark.parametrize(
    ("rule", "found", "expected"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": True}, {"a": 1}, False),
        ({"a": None}, {"a": None}, True),
        ({"a": None}, {}, False),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ({"a": {"b": [1, True]}}, {"a": {"b": [1, True]}}, True),
        ({"a": {"b": [1, True]}}, {"a": {"b": [1, 1]}}, False),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, False),
        ({"a": 'match("x*")'}, {"a": "xyz"}, True),
        ({"a": 'match("x*")'}, {"a": "ax"}, False),
        ({"a": 'match("*")'}, {"a": 1}, False),
        ({"a": "x*"}, {"a": "xyz"}, False),
        ({"a": 1}, [1], False),
        ({"a": 1}, "a", False),
    ],
)
def test_metadata(rule, found, expected):
    assert rules({"metadata": rule}).expose_metadata("default", metadata(found)) is expected


@pytest.mark.parametrize("text", [b"", b"null", b"{", b'{"a":1e999}', b"[" * 5_000])
def test_metadata_that_cannot_be_read_exposes_nothing(text):
    assert not rules({"metadata": {"a": 1}}).expose_metadata("default", Raw(text) if text else wire.ABSENT)


def test_rules_hold_in_their_namespace():
    some = rules({"match": "f*", "namespace": "blue"}, 'match("match(x)")', {"metadata": {"a": 1}, "namespace": "blue"})
    assert some.expose_id("f", "blue")
    assert not some.expose_id("f", "default")
    assert some.expose_id("match(x)", "default")
    assert some.ask_for_metadata("blue")
    assert not some.ask_for_metadata("default")
    assert not some.expose_metadata("default", metadata({"a": 1}))


def test_decisions_are_remembered_but_never_without_bound():
    permission = Permission(Grants(), rules('match("pub::*")'))
    for number in range(3 * limits.DECISIONS_REMEMBERED):
        assert permission.verdict(f"pub::{number}", "default") is Verdict.ALLOWED
        assert permission.verdict(f"{number}", "default") is Verdict.NOT_EXPOSED
    assert len(permission._verdicts) <= limits.DECISIONS_REMEMBERED
    permission._verdicts.clear()
    assert permission.verdict("pub::" + "x" * limits.REMEMBERED_ID_CHARS, "default") is Verdict.ALLOWED
    assert permission._verdicts == {}


def test_a_new_registration_is_decided_anew():
    permission = Permission(Grants(), rules({"metadata": {"a": 1}}))
    first, second = object(), object()
    assert permission.exposes("f", "default", first, metadata({"a": 1}))
    assert permission.exposes("f", "default", first, metadata({"a": 2}))  # not looked at again
    assert not permission.exposes("f", "default", second, metadata({"a": 2}))
    assert permission.allows("f", "default", first, metadata({"a": 1}))
    assert not permission.allows("f", "other", first, metadata({"a": 1}))


def test_namespaces_that_may_be_declared():
    Permission(Grants(), None).check_namespace("any")
    permission = Permission(Grants(namespaces={"b": [], "a": ["x"]}), None)
    permission.check_namespace("b")
    with pytest.raises(Forbidden, match=r"namespace 'c' not allowed for this session \(permitted: a, b\)"):
        permission.check_namespace("c")
