"""iii_actors.core.messages: every message has somebody who handles it, and none can be changed on its way."""

import inspect

import msgspec
import pytest

from iii_actors.builtin.base import Desk
from iii_actors.core import messages
from iii_actors.core.connection import Connection
from iii_actors.core.enqueue import EnqueueDesk
from iii_actors.core.functions import Functions
from iii_actors.core.invocations import Invocations
from iii_actors.core.services import Services
from iii_actors.core.triggers import Triggers
from iii_actors.core.workers import Workers

ACTORS = (Connection, EnqueueDesk, Functions, Invocations, Services, Triggers, Workers, Desk)
WHAT_IS_ASKED_OR_TOLD = ("Asked of", "To ")
TO_OUTSIDERS = {messages.FunctionsChanged, messages.TriggerAcknowledged}
"""Handled by whoever watches or waits, outside the core."""

KINDS = [
    kind
    for _, kind in inspect.getmembers(messages, inspect.isclass)
    if kind.__module__ == messages.__name__ and (kind.__doc__ or "").startswith(WHAT_IS_ASKED_OR_TOLD)
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_message_has_a_handler(kind):
    handled = any(kind in actor._handler_names for actor in ACTORS)
    channels = "channels" in (kind.__doc__ or "").split("\n")[0]
    assert handled or channels or kind in TO_OUTSIDERS


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_messages_cannot_be_changed(kind):
    assert issubclass(kind, tuple) or (issubclass(kind, msgspec.Struct) and kind.__struct_config__.frozen)
