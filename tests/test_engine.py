"""iii_actors.engine: one engine in a program, or several that have nothing to do with each other."""

import socket
import threading

import pytest

import iii_actors
from iii_actors import Engine, EngineConfig, ListenError
from tests.support.peer import CallFailed, peers


def test_two_engines_in_one_process_share_nothing():
    with Engine(EngineConfig.listening()) as one, Engine(EngineConfig.listening()) as other:
        assert one.url != other.url
        with peers(one.url) as at_one, peers(other.url) as at_other:
            # The same names and ids on both: neither knows of the other's.
            for make, answer in ((at_one, "one"), (at_other, "other")):
                make("worker").register("where::am_i", lambda _, answer=answer: answer)
            assert at_one("caller").call("where::am_i") == "one"
            assert at_other("caller").call("where::am_i") == "other"
            only_here = at_one("only-here")
            only_here.register("only::here", lambda _: True)
            with pytest.raises(CallFailed, match="function_not_found"):
                at_other("asks").call("only::here")
            other.stop()
            assert at_one("after").call("where::am_i") == "one"


def test_stopping_leaves_no_thread_behind_and_may_be_repeated():
    before = set(threading.enumerate())
    engine = Engine(EngineConfig.listening()).start()
    with peers(engine.url) as make:
        make("worker").register("f", lambda data: data)
        engine.stop()
        engine.stop()
        left = [one for one in set(threading.enumerate()) - before if one.name.startswith("iii-")]
        assert [one for one in left if one.name != "iii-relief"] == []


def test_workers_are_told_to_come_back():
    engine = Engine(EngineConfig.listening()).start()
    with peers(engine.url) as make:
        worker = make("worker")
        engine.stop()
        assert worker.closed.wait(10)
        assert worker.close_code == 1012


def test_an_engine_can_follow_another_on_its_port():
    with Engine(EngineConfig.listening()) as first:
        (_, port) = first.listeners[0]
        with peers(first.url) as make:
            make("worker").register("f", lambda data: data)
    with Engine(EngineConfig.listening(port=port)) as second, peers(second.url) as make:
        make("worker").register("f", lambda data: data)
        assert make("caller").call("f", [1]) == [1]


def test_a_port_that_is_taken_is_refused_and_nothing_is_left():
    before = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        engine = Engine(EngineConfig.listening(port=port))
        with pytest.raises(ListenError, match=str(port)):
            engine.start()
    assert {one for one in set(threading.enumerate()) - before if one.name != "iii-relief"} == set()


def test_a_further_listener_that_cannot_open_does_not_end_the_engine(caplog):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        entries = [{"name": "iii-worker-manager", "config": {"port": each}} for each in (0, port)]
        with Engine(EngineConfig(workers=entries)) as engine:
            assert len(engine.listeners) == 1
            assert str(port) in caplog.text
            with peers(engine.url) as make:
                assert make("worker").worker_id


def test_all_listeners_serve_the_same_registries():
    entries = [{"name": "iii-worker-manager", "config": {"port": 0}}] * 2
    with Engine(EngineConfig(workers=entries)) as engine:
        urls = [f"ws://{host}:{port}" for host, port in engine.listeners]
        with peers(urls[0]) as at_first, peers(urls[1]) as at_second:
            at_first("worker").register("f", lambda data: data)
            assert at_second("caller").call("f", "x") == "x"


def test_an_engine_is_started_once():
    engine = Engine(EngineConfig.listening()).start()
    with pytest.raises(RuntimeError, match="once"):
        engine.start()
    engine.stop()


def test_what_is_asked_of_an_engine_that_does_not_run():
    engine = Engine(EngineConfig.listening())
    assert engine.listeners == []
    with pytest.raises(RuntimeError):
        assert engine.url
    with pytest.raises(RuntimeError):
        assert engine.core
    engine.stop()


def test_the_figures_of_every_actor():
    with Engine(EngineConfig.listening()) as engine, peers(engine.url) as make:
        make("worker").register("f", lambda data: data)
        caller = make("caller")
        for _ in range(5):
            caller.call("f", 1)
        figures = {}
        for one in engine.actors():
            figures.setdefault(one.name, []).append(one)
        assert len(figures["Connection"]) == 2
        assert {"Functions", "Invocations", "Triggers", "Workers", "Channels", "Services"} <= set(figures)
        (functions,) = figures["Functions"]
        assert functions.handled >= 6
        assert functions.kind == "light"
        assert functions.depth == functions.failed == 0
        assert 0 < functions.busy_s < 10


def test_the_public_names():
    assert set(iii_actors.__all__) <= set(dir(iii_actors))
    with pytest.raises(AttributeError):
        assert iii_actors.nothing_of_the_sort
