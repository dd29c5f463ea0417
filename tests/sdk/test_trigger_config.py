"""A binding, as its provider sees it, fires in the right place."""

import pytest

from iii_worker import Error, TriggerConfig, TriggerHandler


class Caller:
    def __init__(self):
        self.made = []

    def call(self, function_id, payload=None, *, timeout=None, namespace=None, metadata=None):
        self.made.append((function_id, payload, timeout, namespace, metadata))
        return "done"

    def send(self, function_id, payload=None, *, namespace=None, metadata=None):
        self.made.append((function_id, payload, namespace, metadata))


def test_it_fires_in_its_own_namespace_with_its_own_metadata():
    caller = Caller()
    config = TriggerConfig("t", "users::warn", {}, metadata={"tag": 1}, namespace="shop", caller=caller)
    assert config.fire({"wind": 9}) is None
    assert config.call({"wind": 9}, timeout=2) == "done"
    assert caller.made == [
        ("users::warn", {"wind": 9}, "shop", {"tag": 1}),
        ("users::warn", {"wind": 9}, 2, "shop", {"tag": 1}),
    ]


def test_without_a_namespace_it_is_default_and_not_the_providers():
    caller = Caller()
    TriggerConfig("t", "users::warn", {}, caller=caller).fire()
    assert caller.made == [("users::warn", None, "default", None)]


def test_one_made_by_hand_says_what_it_needs():
    with pytest.raises(Error, match=r"TriggerConfig\(\.\.\., caller=worker\)"):
        TriggerConfig("t", "users::warn", {}).fire()


def test_the_caller_does_not_show():
    config = TriggerConfig("t", "users::warn", {}, caller=Caller())
    assert "caller" not in repr(config)
    assert config == TriggerConfig("t", "users::warn", {})


def test_a_handler_has_both_methods():
    class Half(TriggerHandler):
        def register_trigger(self, config):
            pass

    with pytest.raises(TypeError, match="unregister_trigger"):
        Half()
