import pytest

from iii_actors.wire.trace import baggage_entries as entries


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (None, {}),
        ("", {}),
        ("a=1", {"a": "1"}),
        (" a = 1 ;p=x;q , b=2", {"a": "1", "b": "2"}),
        ("a=1,a=2", {"a": "2"}),
        ("city=K%C3%B6ln%2C%20Mitte", {"city": "Köln, Mitte"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=", {"a": ""}),
        ("novalue,=x,;,a=1", {"a": "1"}),
        ("bad=%FF%zz", {"bad": "�%zz"}),
    ],
)
def test_entries(header, found):
    assert entries(header) == found
