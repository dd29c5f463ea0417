"""Values checked into types."""

import pytest

from iii_worker.typed_values import TypedValues, ValueMismatchError


def test_without_a_type_values_stay():
    value = {"a": object()}
    assert TypedValues(None).take(value, "here") is value


def test_any_type_will_do():
    assert TypedValues(list[int]).take(["1", 2], "here") == [1, 2]
    assert TypedValues(int).take(None, "here") is None


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueMismatchError, match=r"^here is not what was asked for: 1: .*integer"):
        TypedValues(list[int]).take([1, "x"], "here")
    with pytest.raises(ValueMismatchError, match="here is not what was asked for: value: "):
        TypedValues(int).take("x", "here")
