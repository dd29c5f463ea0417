"""Placeholders in stored values (config-and-cli.md §5)."""

import pytest

from iii_actors import __version__
from iii_actors.config.placeholders import Unset, expanded_text, expanded_value

ENVIRON = {"HOST": "db", "PORT": "5432", "EMPTY": "", "LIST": "[1, 2]", "YES": "true", "DATE": "2024-01-01"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("${PORT}", 5432),
        ("${PORT:1}", 5432),
        ("${OTHER:1.5}", 1.5),
        ("${YES}", True),
        ("${EMPTY}", None),
        ("${EMPTY:full}", None),
        ("${OTHER:}", None),
        ("${HOST}", "db"),
        ("${LIST}", "[1, 2]"),
        ("${DATE}", "2024-01-01"),
        ("${HOST}:${PORT}", "db:5432"),
        ("x${OTHER:}y", "xy"),
        ("${OTHER:__III_ENGINE_VERSION__}", __version__),
        ("${OTHER:a:b}", "a:b"),
        ("no placeholder $HOST {HOST}", "no placeholder $HOST {HOST}"),
        ("5432", "5432"),
        (
            {"${HOST}": ["${PORT}", {"a": "${HOST}"}], "n": 1, "b": False, "z": None},
            {"${HOST}": [5432, {"a": "db"}], "n": 1, "b": False, "z": None},
        ),
    ],
)
def test_values(value, expected):
    found = expanded_value(value, ENVIRON)
    assert (found, type(found)) == (expected, type(expected))


def test_texts_stay_texts():
    assert expanded_text("port: ${PORT}", ENVIRON) == "port: 5432"


def test_a_variable_that_is_not_set():
    with pytest.raises(Unset, match="Environment variable 'OTHER' not set and no default provided") as unset:
        expanded_value({"a": ["${OTHER}"]}, ENVIRON)
    assert unset.value.name == "OTHER"
