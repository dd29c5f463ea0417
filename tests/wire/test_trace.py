"""Trace context as it is passed on (core.md §7.2, observability.md §1)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iii_actors.wire.trace import forwarded_baggage, valid_traceparent

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"00-{TRACE}-{SPAN}-00",
        f"00-{TRACE}-{SPAN}-ff",
        f"01-{TRACE}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01-what-later-versions-add",
        f"fe-{TRACE}-{SPAN}-01-",
    ],
)
def test_a_valid_traceparent_is_passed_on_unchanged(text):
    assert valid_traceparent(text) == text


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "traceparent",
        GOOD[:-1],
        GOOD + "0",
        GOOD + "-more",
        GOOD + "\n",
        " " + GOOD,
        GOOD.upper(),
        f"ff-{TRACE}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-0g",
        GOOD.replace("-", "_"),
        GOOD.replace("0af7", "\u0660af7"),
    ],
)
def test_an_invalid_traceparent_is_left_out(text):
    assert valid_traceparent(text) is None


@pytest.mark.parametrize(
    ("sent", "forwarded"),
    [
        (None, "iii.function.id=orders::create"),
        ("", "iii.function.id=orders::create"),
        ("a=1", "a=1,iii.function.id=orders::create"),
        ("a=1,b=2", "a=1,b=2,iii.function.id=orders::create"),
        (" a=1 ,\tb=2 ", "a=1,b=2,iii.function.id=orders::create"),
        ("a=1;secret;ttl=3,b=2;x", "a=1,b=2,iii.function.id=orders::create"),
        ("iii.function.id=older", "iii.function.id=orders::create"),
        ("a=1,iii.function.id=older;p=1,b=2", "a=1,b=2,iii.function.id=orders::create"),
        ("iii.function.id =older,iii.function.ids=mine", "iii.function.ids=mine,iii.function.id=orders::create"),
        ("no equals,,=no key, =no key,;=,a=", "a=,iii.function.id=orders::create"),
        ("a=b=c", "a=b=c,iii.function.id=orders::create"),
    ],
)
def test_baggage_keeps_the_callers_entries_without_properties_and_names_the_target(sent, forwarded):
    assert forwarded_baggage(sent, "orders::create") == forwarded


@pytest.mark.parametrize(
    ("function_id", "written"),
    [
        ("a,b", "a%2Cb"),
        ("a;b", "a%3Bb"),
        ('a "b"', "a%20%22b%22"),
        ("a\\b", "a%5Cb"),
        ("100%", "100%25"),
        ("größe", "gr%C3%B6%C3%9Fe"),
        ("a=b", "a=b"),
        ("a\r\nb", "a%0D%0Ab"),
    ],
)
def test_a_function_id_is_written_so_that_it_cannot_break_the_list(function_id, written):
    assert forwarded_baggage("x=1", function_id) == f"x=1,iii.function.id={written}"


@given(baggage=st.none() | st.text(), function_id=st.text())
def test_any_text_gives_one_entry_for_the_target(baggage, function_id):
    try:
        function_id.encode()
    except UnicodeEncodeError:
        return  # no such id comes off the wire: lone surrogates are undecodable
    entries = forwarded_baggage(baggage, function_id).split(",")
    ours = [entry for entry in entries if entry.partition("=")[0].strip() == "iii.function.id"]
    assert len(ours) == 1
    assert entries[-1] == ours[0]
    assert re.fullmatch(r"iii\.function\.id=[!-+\--:<-\[\]-~]*", ours[0])


@given(text=st.text())
def test_whatever_is_passed_on_is_a_traceparent(text):
    passed = valid_traceparent(text)
    assert passed in (None, text)
    if passed is not None:
        assert re.match("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", passed)
