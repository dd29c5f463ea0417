"""Values as the protocol's messages name them."""

import pytest

from iii_actors.builtin.wording import described, invalid_text, invalid_type, kind_of, missing_field


@pytest.mark.parametrize(
    ("value", "words", "kind"),
    [
        (None, "null", "null"),
        (True, "boolean `true`", "boolean"),
        (False, "boolean `false`", "boolean"),
        (5, "integer `5`", "number"),
        (-5, "integer `-5`", "number"),
        (1.0, "floating point `1.0`", "number"),
        ("é\n", 'string "é\\n"', "string"),
        ([1], "sequence", "array"),
        ({"a": 1}, "map", "object"),
    ],
)
def test_a_value(value, words, kind):
    assert described(value) == words
    assert kind_of(value) == kind
    assert invalid_type(value, "a thing") == f"invalid type: {words}, expected a thing"


def test_a_missing_field():
    assert missing_field("scope") == "missing field `scope`"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b" [1", "invalid type: sequence, expected a thing"),
        (b"{" * 100_000, "invalid type: map, expected a thing"),
        (b"5", "invalid type: integer `5`, expected a thing"),
        (b"null", "invalid type: null, expected a thing"),
        (b"1e400", "Number out of range"),
    ],
)
def test_a_text(text, reason):
    assert invalid_text(text, "a thing") == reason
