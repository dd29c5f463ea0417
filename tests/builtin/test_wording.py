"""Values as the protocol's messages name them."""

import pytest

from iii_actors.builtin.wording import described, invalid_type, kind_of, missing_field


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
