"""Names in Redis: those that other engines use, and no two scopes under one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iii_actors.storage.redis_layout import LAYOUTS, as_bytes, as_text

STATE, STREAM = LAYOUTS["state"], LAYOUTS["stream"]
TEXTS = st.text(alphabet=st.sampled_from("ab:%3A25*?[]^-\\\0é"), max_size=6)


@pytest.mark.parametrize(
    ("layout", "scope", "name"),
    [
        (STATE, ("users",), b"state:users"),
        (STATE, ("",), b"state:"),
        (STATE, ("a:b%",), b"state:a:b%"),
        (STREAM, ("chat", "room"), b"stream:chat:room"),
        (STREAM, ("chat", "room:1%"), b"stream:chat:room:1%"),
        (STREAM, ("a:b%", "c"), b"stream:a%3Ab%25:c"),
        (STREAM, ("", ""), b"stream::"),
        (STATE, ("é",), "state:é".encode()),
    ],
)
def test_a_scope_is_one_hash_of_the_protocol_s_name(layout, scope, name):
    assert layout.name_of(scope) == name
    assert layout.scope_of(name) == scope
    assert layout.marks_of(scope) == b"iii-actors:marks:" + name


@pytest.mark.parametrize("name", [b"state", b"stream:a:b", b"states:a", b"iii-actors:marks:state:a"])
def test_what_is_no_scope(name):
    assert STATE.scope_of(name) is None


@given(TEXTS, TEXTS)
def test_every_stream_and_group_has_a_name_of_its_own(stream, group):
    name = STREAM.name_of((stream, group))
    assert STREAM.scope_of(name) == (stream, group)


@pytest.mark.parametrize("scope", [(), ("a", "b")])
def test_a_scope_of_another_kind_is_refused(scope):
    with pytest.raises(ValueError, match=f"a scope of state has 1 parts, not {len(scope)}"):
        STATE.name_of(scope)


def test_patterns_hold_no_surprises():
    assert STATE.pattern(()) == b"state:*"
    assert STREAM.pattern(()) == b"stream:*"
    assert STREAM.pattern(("a*",)) == b"stream:a\\*:*"
    assert STREAM.pattern(("a", "b?")) == b"stream:a:b\\?"


def test_names_are_unicode_text():
    assert as_text(as_bytes("\0😀")) == "\0😀"
    assert as_text(b"\xff") == "�"
    with pytest.raises(ValueError, match="no lone surrogates"):
        as_bytes("\ud800")
