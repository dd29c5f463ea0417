"""Topics alone: who is called for which message, and what `publish` answers (pubsub.md §2-§4)."""

import pytest
from msgspec import Raw
from msgspec.structs import replace

from iii_actors.actor import LightActor, ask, handles, launch
from iii_actors.builtin.pubsub import messages
from iii_actors.builtin.pubsub.bus import Bus
from iii_actors.builtin.pubsub.messages import Arrived, SendAskers, Subscribe, Unsubscribe, UseBus
from iii_actors.builtin.pubsub.topics import Topics
from iii_actors.core.messages import Answer, BindTrigger, Forward, Invoke, UnbindTrigger
from iii_actors.core.registrations import Elsewhere
from iii_actors.wire import messages as wire
from tests.support.probe import Probe, caller_of
from tests.support.records import function, trigger


class Core(LightActor):
    """Stands for the function registry and for the tracker: keeps what it is told, in order."""

    def __init__(self):
        super().__init__()
        self.told = []

    @handles(Invoke)
    def invoke(self, invoke):
        if invoke.call.function_id == "poison":
            raise LookupError("wrong")
        self.told.append(invoke)

    @handles(Answer)
    def answer(self, answer):
        self.told.append(answer)

    def take(self):
        told, self.told = self.told, []
        return told

    def calls(self):
        return [(one.call.function_id, bytes(one.call.data)) for one in self.take() if isinstance(one, Invoke)]


class FakeBus(Bus):
    def __init__(self):
        self.published = []

    def publish(self, topic, data):
        self.published.append((topic, bytes(data)))

    def follow(self, topics): ...
    def leave(self, topics): ...
    def close(self): ...
    def actors(self):
        return []


@pytest.fixture
def core():
    actor = Core()
    launch(actor)
    yield actor
    actor.actor_ref.stop()


@pytest.fixture
def topics(core):
    ref = launch(Topics(core.actor_ref, core.actor_ref))
    yield ref
    ref.stop()


def subscribe(topics, topic, trigger_id="t", function_id="f", **members):
    return ask(topics, Subscribe(topic, trigger(trigger_id, "subscribe", function_id, **members)))


def unsubscribe(topics, trigger_id="t", **members):
    return ask(topics, Unsubscribe(trigger(trigger_id, "subscribe", **members)))


def publish(topics, text):
    call = wire.InvokeFunction("publish", "id-1", data=Raw(text))
    topics.tell(Forward(Invoke(call, "default", "id-1", None, None), function("publish"), None))


# --- delivery ---------------------------------------------------------------------------------------------------------


def test_a_message_goes_to_each_subscription_as_it_is_and_then_the_publisher_is_answered(topics, core):
    subscribe(topics, "orders", "t1", "f", namespace="x", metadata={"m": 1})
    subscribe(topics, "orders", "t2", "f")
    subscribe(topics, "Orders", "t3", "g")
    publish(topics, b'{"topic":"orders","extra":1,"data":{"b": 1.0,"a":[ ]}}')
    first, second, answer = core.take()
    for invoke in (first, second):
        assert bytes(invoke.call.data) == b'{"b": 1.0,"a":[ ]}'
        assert (invoke.reply_to, invoke.caller) == (None, None)
        assert (invoke.call.metadata, invoke.call.traceparent, invoke.call.baggage) == (wire.ABSENT, None, None)
        assert invoke.call.invocation_id == invoke.invocation_id
    assert (first.namespace, second.namespace) == ("x", "default")
    assert first.invocation_id != second.invocation_id
    assert answer == Answer("id-1", wire.ABSENT)


@pytest.mark.parametrize("data", [b"null", b"0", b'"text"', b"[]", b"false", b"-1.50e3"])
def test_any_json_passes_through(topics, core, data):
    subscribe(topics, "t")
    publish(topics, b'{"topic":"t","data":%b}' % data)
    assert core.calls() == [("f", data)]


@pytest.mark.parametrize("topic", ["*", "a.#", " a ", "Ä ☕", "a/b/../c", 'quo"te'])
def test_topics_are_plain_names(topics, core, topic):
    import json

    subscribe(topics, topic)
    subscribe(topics, "a", "other", "other")
    publish(topics, json.dumps({"topic": topic, "data": 1}).encode())
    assert core.calls() == [("f", b"1")]


def test_nobody_listens_and_the_publisher_is_answered_the_same(topics, core):
    publish(topics, b'{"topic":"t","data":1}')
    assert core.take() == [Answer("id-1", wire.ABSENT)]


def test_a_list_of_topic_and_data_is_an_input_too(topics, core):
    subscribe(topics, "t")
    publish(topics, b'["t", {"a":1}]')
    assert core.calls() == [("f", b'{"a":1}')]


# --- mistakes ---------------------------------------------------------------------------------------------------------

WRONG = "Failed to deserialize input for publish: "


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (b'{"topic":"","data":1}', "topic_not_set", "Topic is not set"),
        (b'["",1]', "topic_not_set", "Topic is not set"),
        (b'{"data":1}', "deserialization_error", WRONG + "missing field `topic`"),
        (b"{}", "deserialization_error", WRONG + "missing field `topic`"),
        (b'{"topic":"t"}', "deserialization_error", WRONG + "missing field `data`"),
        (b'{"topic":""}', "deserialization_error", WRONG + "missing field `data`"),
        (b'{"topic":5,"data":1}', "deserialization_error", WRONG + "invalid type: integer `5`, expected a string"),
        (b'{"topic":5}', "deserialization_error", WRONG + "invalid type: integer `5`, expected a string"),
        (b'{"topic":null,"data":1}', "deserialization_error", WRONG + "invalid type: null, expected a string"),
        (b"null", "deserialization_error", WRONG + "invalid type: null, expected struct PubSubInput"),
        (b'"t"', "deserialization_error", WRONG + 'invalid type: string "t", expected struct PubSubInput'),
        (b'["t"]', "deserialization_error", WRONG + "invalid length 1, expected struct PubSubInput with 2 elements"),
        (b"[5,1]", "deserialization_error", WRONG + "invalid type: integer `5`, expected a string"),
    ],
)
def test_a_wrong_input_is_worded_as_the_protocol_words_it(topics, core, text, code, message):
    subscribe(topics, "t")
    publish(topics, text)
    (answer,) = core.take()
    assert (answer.error.code, answer.error.message, answer.result) == (code, message, wire.ABSENT)


@pytest.mark.parametrize("text", [b'["t",1,2]', b"[" * 100_000, b'{"topic":"t","data":' + b"[" * 100_000, b"nonsense"])
def test_whatever_comes_is_answered(topics, core, text):
    publish(topics, text)
    (answer,) = core.take()
    assert answer.error.code == "deserialization_error"


def test_a_publisher_is_answered_even_if_publishing_breaks(topics, core, monkeypatch):
    class Broken(FakeBus):
        def publish(self, topic, data):
            raise LookupError("wrong")

    ask(topics, UseBus(Broken()))
    publish(topics, b'{"topic":"t","data":1}')
    (answer,) = core.take()
    assert (answer.error.code, answer.error.message) == (
        "invocation_error",
        "publish failed; the engine's log says why",
    )


# --- subscriptions ----------------------------------------------------------------------------------------------------


def test_removing_one_subscription_leaves_the_others_of_its_topic(topics, core):
    subscribe(topics, "t", "t1", "f1")
    subscribe(topics, "t", "t2", "f2")
    assert unsubscribe(topics, "t1") == []
    publish(topics, b'{"topic":"t","data":1}')
    assert core.calls() == [("f2", b"1")]
    assert unsubscribe(topics, "t2") == ["t"]
    assert unsubscribe(topics, "t2") == []
    publish(topics, b'{"topic":"t","data":1}')
    assert core.calls() == []
    assert ask(topics, messages.Topics()) == []


def test_an_id_registered_again_with_another_topic_moves(topics, core):
    assert subscribe(topics, "old", function_id="f") == []
    assert subscribe(topics, "new", function_id="g") == ["old"]
    publish(topics, b'{"topic":"old","data":1}')
    publish(topics, b'{"topic":"new","data":2}')
    assert core.calls() == [("g", b"2")]
    assert ask(topics, messages.Topics()) == ["new"]


def test_an_id_registered_again_with_the_same_topic_is_called_once_with_what_is_new(topics, core):
    subscribe(topics, "t", function_id="f")
    assert subscribe(topics, "t", function_id="g") == []
    publish(topics, b'{"topic":"t","data":1}')
    assert core.calls() == [("g", b"1")]


def test_a_worker_that_has_left_does_not_take_its_successor_s_subscription_along(topics, core):
    old, new = caller_of("w1", Probe()), caller_of("w2", Probe())
    binding = trigger("t", "subscribe", "f")
    ask(topics, Subscribe("t", replace(binding, owner=old)))
    ask(topics, Subscribe("t", replace(binding, owner=new)))
    assert ask(topics, Unsubscribe(replace(binding, owner=old))) == []
    publish(topics, b'{"topic":"t","data":1}')
    assert core.calls() == [("f", b"1")]
    assert ask(topics, Unsubscribe(replace(binding, owner=new))) == ["t"]


# --- through a bus ----------------------------------------------------------------------------------------------------


def test_with_a_bus_messages_go_to_it_and_come_from_it(topics, core):
    bus = FakeBus()
    subscribe(topics, "t")
    ask(topics, UseBus(bus))
    publish(topics, b'{"topic":"t","data":{"a": 1}}')
    publish(topics, b'["u",2]')
    assert bus.published == [("t", b'{"a": 1}'), ("u", b"2")]
    assert [type(one) for one in core.take()] == [Answer, Answer]
    topics.tell(Arrived("t", Raw(b"3")))
    topics.tell(Arrived("nobody's", Raw(b"4")))
    assert core.calls() == [("f", b"3")]
    ask(topics, UseBus(None))
    publish(topics, b'{"topic":"t","data":5}')
    assert core.calls() == [("f", b"5")]


def test_without_a_bus_bindings_are_made_here(topics):
    bound = trigger("t", "subscribe", config={"topic": "a"})
    assert ask(topics, BindTrigger(bound)) is None
    assert ask(topics, messages.Topics()) == ["a"]
    assert ask(topics, BindTrigger(trigger("t", "subscribe", config={}))) is None
    assert ask(topics, messages.Topics()) == [], "one without a topic is taken, and never fires"
    ask(topics, BindTrigger(bound))
    assert ask(topics, UnbindTrigger(bound, final=True)) is None
    assert ask(topics, messages.Topics()) == []


def test_with_a_bus_whoever_asks_is_sent_to_the_desk_and_what_is_told_is_told_there(topics):
    desk = Probe()
    launch(desk)
    ask(topics, SendAskers(desk.actor_ref))
    bound = trigger("t", "subscribe", config={"topic": "a"})
    assert ask(topics, BindTrigger(bound)) == Elsewhere(desk.actor_ref)
    assert ask(topics, UnbindTrigger(bound, final=True)) == Elsewhere(desk.actor_ref)
    assert desk.take() == []
    told = [BindTrigger(bound, topics), UnbindTrigger(bound)]
    for message in told:
        topics.tell(message)
    assert desk.take() == told
    assert ask(topics, messages.Topics()) == []
    desk.actor_ref.stop()
    topics.tell(UnbindTrigger(bound))
    assert ask(topics, messages.Topics()) == []
