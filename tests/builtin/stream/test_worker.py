"""`iii-stream` in an engine: where its items are, and what remains of it (stream.md §1, §8)."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed

from iii_actors.actor import stats
from iii_actors.builtin.stream import Stream
from iii_actors.config.stream import StreamSettings
from iii_actors.errors import ConfigError, ListenError
from tests.support.subscriber import Subscriber, socket_address

AT = {"stream_name": "s:t", "group_id": "g", "item_id": "i"}


def in_files(folder, **more):
    return {"adapter": {"name": "kv", "config": {"store_method": "file_based", "file_path": str(folder), **more}}}


def test_it_appears_as_a_worker(site):
    rows = site().join().call("engine::workers::list", {"include_internal": True})["workers"]
    (row,) = [row for row in rows if row["name"] == "iii-stream"]
    assert row["status"] == "available"


def test_in_memory_everything_ends_with_the_engine(site):
    first = site()
    first.join().call("stream::set", AT | {"data": 1})
    first.close()
    assert site().join().call("stream::list_all", {}) == {"stream": [], "count": 0}


@pytest.mark.parametrize("durability", ["disk", "process", "memory"])
def test_in_a_file_everything_is_there_again(site, tmp_path, durability):
    config = in_files(tmp_path / "deep" / "stream_store", durability=durability)
    first = site(config)
    peer = first.join()
    for item in ("b", "a", "c"):
        peer.call("stream::set", AT | {"item_id": item, "data": {"of": item}})
    peer.call("stream::update", AT | {"item_id": "a", "ops": [{"type": "set", "path": "more", "value": None}]})
    peer.call("stream::delete", AT | {"item_id": "c"})
    first.close()
    peer = site(config).join()
    asked = {"stream_name": "s:t", "group_id": "g"}
    assert peer.call("stream::list", asked) == [{"of": "b"}, {"of": "a", "more": None}]
    assert peer.call("stream::list_all", {}) == {"stream": [{"id": "s:t", "groups": ["g"]}], "count": 1}
    assert (tmp_path / "deep" / "stream_store" / "stream.sqlite").is_file()


def test_in_a_file_the_triggers_are_told_as_well(site, tmp_path):
    peer = site(in_files(tmp_path)).join()
    peer.register("on")
    peer.send(type="registertrigger", id="t", trigger_type="stream", function_id="on", config={"stream": "s:t"})
    peer.call("stream::set", AT | {"data": 1})
    assert peer.expect(type="invokefunction")["data"]["event"] == {"type": "create", "data": 1}


def test_two_engines_on_one_file_are_refused_with_the_place_and_the_mend(site, tmp_path):
    site(in_files(tmp_path))
    with pytest.raises(ConfigError) as refused:
        site(in_files(tmp_path))
    assert refused.value.place == "failed to create worker 'iii-stream'"
    assert str(tmp_path / "stream.sqlite") in refused.value.problem
    assert refused.value.mend


def test_its_actors_are_counted_and_end_with_it(site):
    here = site()
    worker = next(one for one in here.engine._builtins if isinstance(one, Stream))
    actors = worker.actors()
    here.join().call("stream::set", AT | {"data": 1})
    assert all(stats(ref).handled >= 0 for ref in actors)
    here.close()
    assert not any(ref.is_alive() for ref in actors)


# --- the socket's port -------------------------------------------------------------------------------------------------


def worker_of(here):
    return next(one for one in here.engine._builtins if isinstance(one, Stream))


@pytest.fixture
def follow():
    with ExitStack() as stack:

        def make(address, path="/"):
            one = Subscriber(address, path)
            stack.callback(one.close)
            return one

        yield make


def test_a_port_that_is_taken_costs_the_socket_and_nothing_else(site, caplog):
    host, port = socket_address(site().engine)
    here = site({"host": host, "port": port})
    (warning,) = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert warning.startswith(f"iii-stream: no subscription socket: cannot listen on {host}:{port}: ")
    assert "another port" in warning
    peer = here.join()
    peer.call("stream::set", AT | {"data": 1})
    assert peer.call("stream::get", AT) == 1
    assert here.engine.opened() == []


def test_a_stop_sends_its_clients_away_and_frees_the_port(site, follow):
    here = site()
    host, port = socket_address(here.engine)
    client = follow((host, port))
    client.join("a", "s:t", "g")
    here.close()
    with pytest.raises(ConnectionClosed) as closed:
        client.next()
    assert closed.value.rcvd.code == 1012
    assert follow(socket_address(site({"host": host, "port": port}).engine)).join("a", "s:t", "g") == []


def test_another_auth_function_is_asked_about_those_who_come_from_then_on(site, follow):
    here = site()
    worker, peer = worker_of(here), here.join()
    contexts = []
    peer.register("who", lambda _: {"context": "told"})
    peer.register("on-join", lambda data: contexts.append(data["context"]))
    peer.send(type="registertrigger", id="t", trigger_type="stream:join", function_id="on-join", config={})
    peer.barrier()
    address = socket_address(here.engine)
    before = follow(address)
    before.join("a", "s:t", "g")
    worker.apply(worker.settings.model_copy(update={"auth_function": "who"}))
    assert socket_address(here.engine) == address
    follow(address).join("a", "s:t", "g")
    before.join("b", "s:t", "g")
    assert contexts == [None, "told", None]


def test_another_port_is_opened_first_and_the_clients_of_the_old_one_are_sent_away(site, follow):
    here = site()
    worker, old = worker_of(here), socket_address(here.engine)
    client = follow(old)
    client.join("a", "s:t", "g")
    taken = socket_address(site().engine)
    with pytest.raises(ListenError):
        worker.apply(StreamSettings(port=taken[1]))
    assert client.join("b", "s:t", "g") == []
    worker.apply(StreamSettings(port=0, max_connections=5))
    with pytest.raises(ConnectionClosed):
        client.next()
    new = socket_address(here.engine)
    assert new != old
    assert follow(new).join("a", "s:t", "g") == []
    with pytest.raises(OSError, match="refused"):
        follow(old)


def test_after_a_port_could_not_be_had_another_may_be_opened(site, follow):
    host, port = socket_address(site().engine)
    here = site({"host": host, "port": port})
    worker_of(here).apply(StreamSettings(port=0))
    assert follow(socket_address(here.engine)).join("a", "s:t", "g") == []
