"""Official workers change streams, provide them and keep the door; clients of the socket follow them (stream.md §6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from tests.e2e.support.names import unique
from tests.e2e.support.probe import Probe
from tests.support.subscriber import Subscriber

SETTINGS = """\
workers:
  - name: iii-stream
    config: {port: 0, auth_function: "e2e::who"}
"""


class Site(NamedTuple):
    """An engine with a socket, one official worker on it, and a maker of subscribers."""

    probe: Probe
    follow: Callable[..., Subscriber]


@pytest.fixture
def site(shop, tmp_path, any_sdk) -> Iterator[Site]:
    (tmp_path / "config.yaml").write_text(SETTINGS)
    engine = shop.engine("--config", str(tmp_path / "config.yaml"))
    port = int(engine.process.expect(r"Stream socket on address: 127\.0\.0\.1:(\d+)")[1])
    probe = shop.probe(any_sdk, engine.url)
    with ExitStack() as stack:

        def follow(path: str = "/") -> Subscriber:
            one = Subscriber(("127.0.0.1", port), path)
            stack.callback(one.close)
            return one

        yield Site(probe, follow)
    assert engine.faults() == []
    code, seconds = engine.stop()
    assert code == 0
    assert seconds < 4


def at(stream: str, **more: object) -> dict[str, object]:
    return {"stream_name": stream, "group_id": "g", "item_id": "i", **more}


def test_a_subscriber_follows_what_an_official_worker_does(site):
    probe, client = site.probe, site.follow()
    stream = unique("stream")
    probe.call("stream::set", at(stream, data={"n": 1}))
    assert client.join("a", stream, "g") == [{"n": 1}]
    probe.call("stream::set", at(stream, data={"n": 2}))
    probe.call("stream::update", at(stream, ops=[{"type": "increment", "path": "n", "by": 1}]))
    probe.call("stream::send", {"stream_name": stream, "group_id": "g", "type": "typing", "data": {"who": "Ada"}})
    probe.call("stream::delete", at(stream))
    assert [client.event() for _ in range(4)] == [
        {"type": "update", "data": {"n": 2}},
        {"type": "update", "data": {"n": 3}},
        {"type": "event", "event": {"type": "typing", "data": {"who": "Ada"}}},
        {"type": "delete", "data": {"n": 3}},
    ]


def test_a_stream_that_an_official_worker_provides_is_followed_alike(site):
    probe, client = site.probe, site.follow()
    stream = unique("stream")
    probe.do("stream_provider", stream_name=stream)
    probe.call("stream::set", at(stream, data="first"))
    assert client.join("a", stream, "g", "i") == "first"
    assert client.join("b", stream, "g") == ["first"]
    client.leave("a", stream, "g", "i")
    probe.call("stream::set", at(stream, data="second"))
    assert client.event() == {"type": "update", "data": "second"}
    probe.call("stream::delete", at(stream))
    assert client.event() == {"type": "delete", "data": "second"}


def test_an_official_worker_keeps_the_door(site):
    probe, stream = site.probe, unique("stream")
    probe.offer("e2e::who", "who")
    for kind in ("join", "leave"):
        probe.offer(f"e2e::{kind}", "door")
        probe.do("bind", type=f"stream:{kind}", function_id=f"e2e::{kind}", config={})
    client = site.follow("/?user=ada")
    client.say("join", "a", stream, "closed")
    assert client.event() == {"type": "unauthorized"}
    assert client.join("b", stream, "open", "i") is None
    told = [probe.event("called", function_id="e2e::join")["data"] for _ in range(2)]
    assert [one["group_id"] for one in told] == ["closed", "open"]
    client.close()
    left = probe.event("called", function_id="e2e::leave")["data"]
    assert left == told[1]
    assert left["context"] == {"user": "ada"}
    assert (left["subscription_id"], left["stream_name"], left["id"]) == ("b", stream, "i")
