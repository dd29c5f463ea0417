"""What subscribers may do to the engine and to each other: nothing (stream.md §6.3, §6.4)."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

import iii_actors
from iii_actors.actor import ask
from iii_actors.builtin.stream import Stream
from iii_actors.builtin.stream.audience import CountSubscriptions
from tests.support.asking import bind
from tests.support.peer import Peer, peers
from tests.support.raw import BINARY, PING, TEXT, RawClient, client_frame
from tests.support.subscriber import Subscriber, socket_address

OUTBOX = 200_000


@pytest.fixture
def engine() -> Iterator[iii_actors.Engine]:
    stream = {"name": "iii-stream", "config": {"port": 0, "outbox_bytes": OUTBOX}}
    workers = [{"name": "iii-worker-manager", "config": {"port": 0}}, stream]
    with iii_actors.Engine(iii_actors.EngineConfig(workers=workers)) as running:
        yield running


@pytest.fixture
def peer(engine: iii_actors.Engine) -> Iterator[Peer]:
    with peers(engine.url) as make:
        yield make()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def follow(engine: iii_actors.Engine, stack: ExitStack) -> Callable[[], Subscriber]:
    def make() -> Subscriber:
        one = Subscriber(socket_address(engine))
        stack.callback(one.close)
        return one

    return make


def worker_of(engine: iii_actors.Engine) -> Stream:
    return next(one for one in engine._builtins if isinstance(one, Stream))


def subscriptions(engine: iii_actors.Engine) -> int:
    return ask(worker_of(engine)._refs[0], CountSubscriptions())


def put(peer: Peer, data: object) -> None:
    peer.call("stream::set", {"stream_name": "s", "group_id": "g", "item_id": "i", "data": data})


def join_message(group: str = "g") -> bytes:
    data = {"subscriptionId": "a", "streamName": "s", "groupId": group}
    return client_frame(TEXT, json.dumps({"type": "join", "data": data}).encode())


def test_a_slow_subscriber_is_cut_at_its_bound_and_the_others_get_everything(engine, peer, follow, stack):
    left: list[object] = []
    peer.register("on-leave", left.append)
    bind(peer, "t", "stream:leave", "on-leave")
    slow = stack.enter_context(RawClient(socket_address(engine), receive=4096))
    slow.upgrade()
    slow.send(join_message())
    assert slow.message()["event"]["type"] == "sync"
    clients = [follow() for _ in range(3)]
    for client in clients:
        client.join("a", "s", "g")
    number = 0
    while subscriptions(engine) == 4:
        put(peer, [number, "x" * 50_000])
        for client in clients:
            assert client.event()["data"][0] == number
        number += 1
        assert number < 5_000
    assert subscriptions(engine) == 3
    put(peer, ["end"])
    for client in clients:
        assert client.event()["data"] == ["end"]
    while not left:
        peer.barrier()
    assert left[0]["subscription_id"] == "a"
    assert len(slow.rest()) < number * 50_000


def ping_for_ever(client: RawClient) -> None:
    pings = client_frame(PING, b"x" * 125) * 2000
    while True:
        client.send(pings)


def test_one_that_pings_and_never_reads_is_cut_as_well(engine):
    with RawClient(socket_address(engine), receive=4096) as deaf:
        deaf.upgrade()
        with pytest.raises(ConnectionError):  # its own limit of time would be another error
            ping_for_ever(deaf)
    assert worker_of(engine)._sockets.wait_until_empty(10)


def test_a_flood_of_garbage_delays_nobody(engine, peer, follow, stack):
    client = follow()
    client.join("a", "s", "g")
    loud = stack.enter_context(RawClient(socket_address(engine)))
    loud.upgrade()
    stop = threading.Event()

    def shout() -> None:
        garbage = client_frame(TEXT, b"{}") * 1000 + client_frame(BINARY, b"\xff" * 100) * 100
        while not stop.is_set():
            loud.send(garbage)

    thread = threading.Thread(target=shout)
    thread.start()
    try:
        for number in range(100):
            put(peer, number)
            assert client.event()["data"] == number
    finally:
        stop.set()
        thread.join()


def test_many_that_come_and_go_leave_nothing_behind_and_lose_nothing_of_the_others(engine, peer, follow):
    steady = follow()
    steady.join("a", "s", "g")
    address = socket_address(engine)
    failures: list[BaseException] = []

    def come_and_go(seed: int) -> None:
        rng = random.Random(seed)
        try:
            for _ in range(12):
                with RawClient(address) as one:
                    one.upgrade(behind=join_message() if rng.random() < 0.5 else b"")
                    for _ in range(rng.randrange(4)):
                        one.send(join_message(rng.choice(["g", "h"])))
                    how = rng.randrange(3)
                    if how == 0:
                        one.send(join_message()[: rng.randrange(1, 20)])
                    elif how == 1:
                        one.send(b"\x00\x00")
                    else:
                        one.send(join_message())
                        while one.message()["event"]["type"] != "sync":
                            pass
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=come_and_go, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    number = 0
    while any(thread.is_alive() for thread in threads) or number < 50:
        put(peer, number)
        assert steady.event()["data"] == number
        number += 1
    for thread in threads:
        thread.join()
    assert failures == []
    steady.close()
    worker = worker_of(engine)
    assert worker._sockets.wait_until_empty(10)
    assert subscriptions(engine) == 0
    assert worker._joining._actor_weakref()._conversations == {}
    assert worker._sockets.open_clients() == []
