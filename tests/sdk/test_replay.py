"""What is registered is sent once per connection, whatever happens at the same time."""

import threading

from iii_worker.replay import ReplaySet


def frame(kind, key):
    return {"type": kind, "id": key, "trigger_type": "x"}


def test_the_order_on_a_new_connection():
    replay, sent = ReplaySet(), []
    replay.add_trigger(frame("registertrigger", "t"))
    replay.add_function(frame("registerfunction", "f"))
    replay.add_trigger_type(frame("registertriggertype", "y"))
    replay.add_service(frame("registerservice", "s"))
    replay.attach(lambda item: sent.append(item["type"]), [{"type": "first"}], lambda: sent.append("after"))
    assert sent == [
        "first",
        "registerservice",
        "registertriggertype",
        "registerfunction",
        "registertrigger",
        "after",
    ]


def test_changes_are_sent_while_connected_and_kept_while_not():
    replay, sent = ReplaySet(), []
    replay.attach(sent.append, [], lambda: None)
    replay.add_function(frame("registerfunction", "f"))
    replay.remove_function("f")
    replay.remove_function("f")
    replay.add_trigger(frame("registertrigger", "t"))
    replay.remove_trigger("t", "x")
    replay.add_trigger_type(frame("registertriggertype", "y"))
    replay.remove_trigger_type("y")
    assert [item["type"] for item in sent] == [
        "registerfunction",
        "unregisterfunction",
        "registertrigger",
        "unregistertrigger",
        "registertriggertype",
        "unregistertriggertype",
    ]
    replay.detach()
    sent.clear()
    replay.add_function(frame("registerfunction", "g"))
    assert sent == []
    replay.attach(sent.append, [], lambda: None)
    assert [item["id"] for item in sent] == ["g"]


def test_withdrawing_takes_back_what_brings_invocations():
    replay, sent = ReplaySet(), []
    replay.add_function(frame("registerfunction", "f"))
    replay.add_trigger(frame("registertrigger", "t"))
    replay.attach(sent.append, [], lambda: None)
    sent.clear()
    replay.withdraw()
    assert [item["type"] for item in sent] == ["unregistertrigger", "unregisterfunction"]
    sent.clear()
    replay.attach(sent.append, [], lambda: None)
    assert sent == []


def test_each_is_sent_once_per_connection_while_threads_register():
    replay = ReplaySet()

    def register(start):
        for number in range(start, start + 200):
            replay.add_function(frame("registerfunction", f"f{number}"))

    threads = [threading.Thread(target=register, args=(n * 200,)) for n in range(4)]
    connections = []
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        sent = []
        replay.attach(sent.append, [], lambda: None)
        connections.append(sent)
        replay.detach()
    sent = []
    replay.attach(sent.append, [], lambda: None)
    connections.append(sent)
    for sent in connections:
        ids = [item["id"] for item in sent]
        assert len(ids) == len(set(ids))
    assert len(connections[-1]) == 800
