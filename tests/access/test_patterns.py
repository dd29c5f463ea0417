"""iii_actors.access.patterns: what a pattern matches, and that no text makes it slow."""

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iii_actors.access.patterns import Pattern, grant


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("", "", True),
        ("", "a", False),
        ("a", "a", True),
        ("a", "A", False),
        ("*", "", True),
        ("*", "a::b\nc", True),
        ("a::*", "a::", True),
        ("a::*", "a::b::c", True),
        ("a::*", "xa::b", False),
        ("*::b", "a::b", True),
        ("*::b", "a::bc", False),
        ("a*b*c", "abc", True),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "acb", False),
        ("ab*ba", "aba", False),
        ("a.c", "abc", False),
        ("a?c", "abc", False),
        ("[a]", "a", False),
        ("**", "x", True),
    ],
)
def test_matching(pattern, text, expected):
    assert Pattern(pattern).matches(text) is expected


@given(st.text("ab*", max_size=8), st.text("ab", max_size=12))
def test_as_a_shell_would(pattern, text):
    assert Pattern(pattern).matches(text) == (re.fullmatch(fnmatch.translate(pattern), text) is not None)


def test_a_hostile_text_takes_no_longer_than_its_length():
    assert not Pattern("*a" * 30 + "b").matches("a" * 1_000_000)


@pytest.mark.parametrize("text", ["a::*", 'match("a::*")', "match('a::*')"])
def test_a_grant_is_bare_or_in_the_long_form(text):
    assert grant(text).text == "a::*"


@pytest.mark.parametrize("text", ['match("a"', "match(a)", "match(\"a')", ' match("a")'])
def test_what_is_not_quite_that_form_is_an_id(text):
    assert grant(text).text == text
