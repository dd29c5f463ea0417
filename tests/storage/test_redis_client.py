"""Connecting to Redis: what can be wrong, in one line that names the place and the mend."""

import sys

import pytest

from iii_actors.errors import ConfigError
from iii_actors.storage.redis_client import connect, without_password
from tests.support.redis import redis_server


def failure(url):
    with pytest.raises(ConfigError) as failed:
        connect(url, "iii-cron")
    assert failed.value.place == "failed to create worker 'iii-cron'"
    assert "\n" not in failed.value.message
    return failed.value


def test_a_client_has_reached_its_redis():
    with redis_server() as server:
        client = connect(server.url, "iii-cron")
        assert client.ping()
        client.close()


def test_nobody_is_there_and_the_error_says_where_and_not_who():
    error = failure("redis://user:secret@127.0.0.1:1/2")
    assert error.problem.startswith("cannot reach redis://127.0.0.1:1/2: ")
    assert error.mend == "start Redis there, correct redis_url, or leave the adapter out"
    assert "secret" not in error.message


@pytest.mark.parametrize("url", ["http://localhost", "redis://localhost:no", "localhost:6379"])
def test_what_is_no_url_of_a_redis(url):
    assert failure(url).mend == "write for example redis://localhost:6379"


def test_the_package_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    assert failure("redis://localhost").mend == "pip install 'iii-actors[redis]'"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379", "redis://localhost:6379"),
        ("rediss://me:p@ss@[::1]:6380/1", "rediss://[::1]:6380/1"),
        ("unix://me:secret@/var/run/redis.sock?db=1", "unix:///var/run/redis.sock"),
    ],
)
def test_a_url_is_shown_without_its_password(url, shown):
    assert without_password(url) == shown
