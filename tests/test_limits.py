from pathlib import Path

import pytest

from iii_actors import limits

ROOT = Path(__file__).parents[1]
CONSTANTS = {
    name: value for name, value in vars(limits).items() if name.isupper() and name not in {"TABLE", "KIB", "MIB"}
}


def test_each_constant_has_one_row_of_the_same_name_and_value():
    assert {row.name: row.value for row in limits.TABLE} == CONSTANTS
    assert len(limits.TABLE) == len(CONSTANTS)


@pytest.mark.parametrize("row", limits.TABLE, ids=lambda row: row.name)
def test_each_row_says_unit_and_reason(row):
    assert row.unit
    assert len(row.reason) > 20
    assert "\n" not in row.reason


def test_the_documentation_is_the_table():
    written = (ROOT / "docs" / "limits.rst").read_text(encoding="utf-8")
    assert written == limits.as_rst(), "run `make limits`"


def test_what_must_fit_into_what():
    assert limits.MAX_FRAME_BYTES <= limits.MAX_MESSAGE_BYTES <= limits.OUTBOX_BYTES
    assert limits.CHANNEL_BUFFER_DEFAULT <= limits.CHANNEL_BUFFER_MAX
    assert limits.FUNCTIONS_DEBOUNCE_MS <= 250 < limits.FUNCTIONS_MAX_DELAY_MS <= 5000
