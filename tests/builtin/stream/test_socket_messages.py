"""What clients of the socket say, and what is told of who they are: whatever comes, no surprise (stream.md §6.1, §6.2)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iii_actors.builtin.stream.admission import described
from iii_actors.builtin.stream.socket_messages import Join, Leave, Subscription, Undecodable, decode
from iii_actors.core.conversation import Visitor

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_anything_is_a_message_or_nothing_or_refused(payload):
    try:
        message = decode(payload)
    except Undecodable as error:
        assert str(error)
    else:
        assert message is None or isinstance(message, Join | Leave)


@given(
    st.fixed_dictionaries(
        {"subscriptionId": NAMES, "streamName": NAMES, "groupId": NAMES}, optional={"id": NAMES | st.none(), "x": JSON}
    ),
    st.sampled_from(["join", "leave"]),
)
def test_join_and_leave_say_what_they_say(data, kind):
    message = decode(json.dumps({"data": data, "type": kind}).encode())
    assert type(message) is (Join if kind == "join" else Leave)
    expected = Subscription(data["subscriptionId"], data["streamName"], data["groupId"], data.get("id"))
    assert message.data == expected


@pytest.mark.parametrize("payload", [b"", b" ", b"\r\n\t"])
def test_white_space_is_nothing(payload):
    assert decode(payload) is None


@given(
    st.text(st.characters(max_codepoint=255, exclude_characters=" \r\n"), max_size=30),
    st.lists(st.tuples(st.text("abc-", min_size=1, max_size=3), st.text(st.characters(max_codepoint=255), max_size=6))),
)
def test_whoever_comes_can_be_described(query, headers):
    told = described(Visitor("/", query, tuple(headers), "127.0.0.1:1"))
    assert json.loads(json.dumps(told)) == told
    assert sorted(told) == ["addr", "headers", "path", "query_params"]
    assert all(value.isascii() for value in told["headers"].values())
    values = [f"{name}={value}" for name, found in told["query_params"].items() for value in found]
    assert len(values) == len([pair for pair in query.split("&") if pair.partition("=")[0]])
