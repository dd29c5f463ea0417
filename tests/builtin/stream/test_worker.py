"""`iii-stream` in an engine: where its items are, and what remains of it (stream.md §1, §8)."""

from __future__ import annotations

import pytest

from iii_actors.actor import stats
from iii_actors.builtin.stream import Stream
from iii_actors.errors import ConfigError

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
