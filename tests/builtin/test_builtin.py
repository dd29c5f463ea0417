"""Which built-in workers there are."""

import pytest

from iii_actors.builtin import BUILTINS, builtin
from iii_actors.builtin.base import Builtin
from iii_actors.config import BUILT_IN


def test_whatever_can_be_configured_can_be_started():
    assert set(BUILTINS) == set(BUILT_IN)


@pytest.mark.parametrize("kind", BUILTINS)
def test_each_is_found(kind):
    assert issubclass(builtin(kind), Builtin)
