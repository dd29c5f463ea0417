"""From settings to a store."""

from contextlib import closing

import pytest

from iii_actors.clock import ManualClock
from iii_actors.config.storage import StorageAdapter
from iii_actors.errors import ConfigError
from iii_actors.storage import MemoryStore, open_store
from iii_actors.storage.redis_store import RedisStore
from iii_actors.storage.sqlite import SqliteStore
from tests.storage.asking import result
from tests.support.redis import redis_server

S = ("s",)


def opened(name, config=None, **options):
    return closing(open_store(StorageAdapter(name=name, config=config), "state", "iii-state", ManualClock(), **options))


@pytest.mark.parametrize(
    "config", [None, {}, {"store_method": "in_memory"}, {"store_method": "cloud", "file_path": "x"}]
)
def test_memory_is_the_rule(config):
    with opened("kv", config) as store:
        assert type(store) is MemoryStore


@pytest.mark.parametrize("durability", ["disk", "process", "memory"])
def test_a_file_has_the_name_of_what_is_in_it(tmp_path, durability):
    config = {"store_method": "file_based", "file_path": str(tmp_path / "d"), "durability": durability}
    with opened("kv", config) as store:
        assert type(store) is SqliteStore
        result(store.set, S, "k", b"1")
    assert (tmp_path / "d" / "state.sqlite").is_file()
    with opened("kv", config) as store:
        assert result(store.get, S, "k").text == b"1"


def test_the_worker_s_save_interval_goes_before_the_adapter_s(tmp_path, monkeypatch):
    seen = []

    class Recorder(SqliteStore):
        def __init__(self, path, clock, **options):
            seen.append(options["save_interval_ms"])
            super().__init__(path, clock, **options)

    monkeypatch.setattr("iii_actors.storage.sqlite.SqliteStore", Recorder)
    config = {"store_method": "file_based", "file_path": str(tmp_path), "durability": "memory", "save_interval_ms": 200}
    for options in ({}, {"save_interval_ms": 300}):
        with opened("kv", config, **options) as store:
            assert type(store) is Recorder
    assert seen == [200, 300]


def test_a_file_that_cannot_be_had_names_the_worker_the_file_and_the_mend(tmp_path):
    (tmp_path / "state.sqlite").write_bytes(b"x" * 4096)
    with pytest.raises(ConfigError) as refused:
        opened("kv", {"store_method": "file_based", "file_path": str(tmp_path)})
    assert refused.value.place == "failed to create worker 'iii-state'"
    assert str(tmp_path / "state.sqlite") in refused.value.problem
    assert "\n" not in refused.value.message


def test_redis():
    with redis_server() as server, opened("redis", {"redis_url": server.url}) as store:
        assert type(store) is RedisStore
        assert len(store.actors()) == 2
    with pytest.raises(ConfigError, match=r"cannot reach redis://127.0.0.1:1"):
        opened("redis", {"redis_url": "redis://127.0.0.1:1"})
