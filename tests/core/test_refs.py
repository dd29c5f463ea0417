"""iii_actors.core.refs: the set of references that adapters and built-in workers get."""

import dataclasses

import pytest

from iii_actors.clock import ManualClock
from iii_actors.core.refs import Core


def test_the_core_cannot_be_rewired(probe):
    ref = probe().actor_ref
    core = Core(ManualClock(), *[ref] * 7, namespace_grace_s=5.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        core.functions = ref
